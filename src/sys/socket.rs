//! The socket that a service tells its state to.

#![allow(unsafe_code)]

use core::mem::{offset_of, zeroed};

use super::abi;
use super::call::{Result, ask, call, done, number};
use super::file::Fd;

/// Where the name is in the address that [`notification_socket`] gives: behind the family and a NUL.
pub const SOCKET_NAME: usize = offset_of!(abi::sockaddr_un, sun_path) + 1;

/// `socket`, `setsockopt(SO_PASSCRED)`, `bind`, `getsockname`—A datagram socket with an abstract name that the kernel
/// chooses, which tells who sent what; writes its address (struct sockaddr_un).
///
/// # Errors
/// ENOSYS: i686 and s390x before Linux 4.3; [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)
pub fn notification_socket(address: &mut [u8; 16]) -> Result<Fd> {
    let kind = abi::SOCK_DGRAM | abi::SOCK_CLOEXEC;
    // SAFETY: takes no pointer.
    let socket = unsafe { ask(abi::AF_UNIX, kind as usize, 0, number::socket) }?;
    let mut length = address.len() as u32; // as an option's value anything but 0 is on
    let size = size_of_val(&length);
    // SAFETY: the kernel reads the number.
    done(unsafe { call!(setsockopt, socket, abi::SOL_SOCKET, abi::SO_PASSCRED, &raw const length, size) })?;
    let family = (abi::AF_UNIX as u16).to_ne_bytes();
    address[..2].copy_from_slice(&family);
    // SAFETY: the kernel reads the family alone, and so chooses the name.
    done(unsafe { call!(bind, socket, address.as_ptr(), family.len()) })?;
    // SAFETY: the kernel writes the address as far as its length, and the length.
    done(unsafe { call!(getsockname, socket, address.as_mut_ptr(), &raw mut length) })?;
    Ok(Fd(socket))
}

/// `recvmsg(socket)`—Take the next datagram, of which what does not fit into the buffer is lost; gives who sent it.
///
/// # Errors
/// EAGAIN: none is there; [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html)
pub fn receive(socket: Fd, buffer: &mut [u8]) -> Result<abi::ucred> {
    #[repr(C)]
    struct Control {
        header: abi::cmsghdr,
        sender: abi::ucred,
    }
    // SAFETY: the structure holds numbers alone.
    let mut control: Control = unsafe { zeroed() };
    control.sender.uid = u32::MAX; // nobody, until the kernel tells who
    let room = [buffer.as_mut_ptr() as usize, buffer.len()]; // struct iovec
    // SAFETY: the structure holds numbers and pointers that may be null.
    let mut message: abi::msghdr = unsafe { zeroed() };
    message.msg_iov = room.as_ptr().cast_mut().cast();
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    let flags = abi::MSG_DONTWAIT as usize;
    // SAFETY: the kernel writes within the buffer and the control structure.
    unsafe { ask(socket.0, &raw mut message as usize, flags, number::recvmsg) }?;
    Ok(control.sender)
}
