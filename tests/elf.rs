//! The executable as a file: static, in one piece, and nothing in it that can be written to.

use std::fs;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

type Header = elf::FileHeader64<Endianness>;

/// The file, if it is the one that ships: an unoptimized one has another shape.
fn release() -> Option<Vec<u8>> {
    if cfg!(debug_assertions) {
        eprintln!("not run: the shape of the executable is that of a release");
        return None;
    }
    Some(fs::read(env!("CARGO_BIN_EXE_bgexec")).expect("cargo has built it"))
}

fn segments(file: &[u8]) -> (&Header, &[elf::ProgramHeader64<Endianness>], Endianness) {
    let header = Header::parse(file).expect("an ELF file");
    let endian = header.endian().expect("an ELF file");
    (header, header.program_headers(endian, file).expect("it has segments"), endian)
}

#[test]
fn is_static_and_not_relocatable() {
    let Some(file) = release() else { return };
    let (header, segments, endian) = segments(&file);
    assert_eq!(header.e_type(endian), elf::ET_EXEC);
    for segment in segments {
        let kind = segment.p_type(endian);
        assert!(![elf::PT_INTERP, elf::PT_DYNAMIC, elf::PT_TLS].contains(&kind), "segment of type {kind}");
    }
}

#[test]
fn is_one_segment_that_is_read_and_executed() {
    let Some(file) = release() else { return };
    let (_, segments, endian) = segments(&file);
    let loaded: Vec<_> = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).collect();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].p_flags(endian), elf::PF_R | elf::PF_X);
    assert_eq!(loaded[0].p_filesz(endian), loaded[0].p_memsz(endian), "no zeroed memory");
}

#[test]
fn has_a_stack_that_is_not_executed() {
    let Some(file) = release() else { return };
    let (_, segments, endian) = segments(&file);
    let stack: Vec<_> = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_GNU_STACK).collect();
    assert_eq!(stack.len(), 1);
    assert_eq!(stack[0].p_flags(endian), elf::PF_R | elf::PF_W);
}

#[test]
fn has_no_section_headers() {
    let Some(file) = release() else { return };
    let (header, _, endian) = segments(&file);
    assert_eq!((header.e_shnum(endian), header.e_shoff(endian)), (0, 0));
}

#[test]
fn is_within_its_budget() {
    let Some(file) = release() else { return };
    // The figure that the linker asserts, in build.rs.
    assert!(file.len() <= 33_792, "{} bytes", file.len());
}

#[test]
fn does_not_say_where_it_was_built() {
    let Some(file) = release() else { return };
    for path in [env!("CARGO_MANIFEST_DIR"), "/rustc/", ".cargo/registry", "src/"] {
        let found = file.windows(path.len()).any(|window| window == path.as_bytes());
        assert!(!found, "{path}");
    }
}
