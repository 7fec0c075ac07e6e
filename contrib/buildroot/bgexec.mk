################################################################################
#
# bgexec
#
# An external tree: make BR2_EXTERNAL=/path/to/bgexec/contrib/buildroot menuconfig
#
# Not run in the tests, which have no Buildroot; they check the licences' hashes
# and run S50exampled. It builds the tree that it lies in, with a rustc from 1.88
# on; cargo fetches the two crates that Cargo.lock names, with their checksums.
#
################################################################################

BGEXEC_VERSION = 0.1.0
BGEXEC_SITE = $(BR2_EXTERNAL_BGEXEC_PATH)/../..
BGEXEC_SITE_METHOD = local
BGEXEC_LICENSE = MIT or Apache-2.0, BSD-2-Clause (syscalls)
BGEXEC_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE LICENSE-syscalls
BGEXEC_DEPENDENCIES = host-rustc

define BGEXEC_BUILD_CMDS
	cd $(@D) && $(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) \
		cargo build --release --locked --target $(RUSTC_TARGET_NAME)
endef

define BGEXEC_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/release/bgexec \
		$(TARGET_DIR)/usr/bin/bgexec
endef

$(eval $(generic-package))
