//! An initramfs: a cpio archive in the "newc" form (the kernel's buffer-format.rst), the same bytes for the same content.

/// A directory.
const DIRECTORY: u32 = 0o040_755;
/// A program.
const PROGRAM: u32 = 0o100_755;
/// A character device.
const DEVICE: u32 = 0o020_600;

#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub fn directory(self, name: &str) -> Archive {
        self.entry(name, DIRECTORY, &[], [0, 0])
    }

    pub fn file(self, name: &str, content: &[u8]) -> Archive {
        self.entry(name, PROGRAM, content, [0, 0])
    }

    pub fn device(self, name: &str, number: [u32; 2]) -> Archive {
        self.entry(name, DEVICE, &[], number)
    }

    /// The whole archive.
    pub fn finish(self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], [0, 0]).bytes
    }

    fn entry(mut self, name: &str, mode: u32, content: &[u8], device: [u32; 2]) -> Archive {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap();
        let name_size = u32::try_from(name.len()).unwrap() + 1;
        let links = if mode == DIRECTORY { 2 } else { 1 };
        // inode, mode, uid, gid, links, time, size, the device it is on, the device it is, size of the name, checksum
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, device[0], device[1], name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        self
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
