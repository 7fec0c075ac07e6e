# Not run in the tests, which have no BitBake; they check the licences' and the crates' checksums. It builds the tree
# that it lies in, with a rustc from 1.88 on.
SUMMARY = "Run a command in the background, and know that it runs"
DESCRIPTION = "A daemonizer whose exit status 0 means that the command has been executed. \
One static executable without libc."
HOMEPAGE = "https://crates.io/crates/bgexec"
SECTION = "base"
LICENSE = "(MIT | Apache-2.0) & BSD-2-Clause"
LIC_FILES_CHKSUM = " \
    file://LICENSE-MIT;md5=01d88555e7ede3e6e3ec8ebff342f97a \
    file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
    file://LICENSE-syscalls;md5=ae64e08076d27d400db7473c525def06 \
"

inherit cargo externalsrc

EXTERNALSRC = "${THISDIR}/../.."

require ${BPN}-crates.inc

# The linker has left neither symbols nor section headers.
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_SYSROOT_STRIP = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
INSANE_SKIP:${PN} += "ldflags already-stripped"

do_install:append() {
    install -Dm 0644 ${S}/contrib/man/bgexec.8 ${D}${mandir}/man8/bgexec.8
}
