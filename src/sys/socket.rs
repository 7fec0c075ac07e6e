//! The socket that a service tells its state to.

#![allow(unsafe_code)]

use core::mem::zeroed;

use super::abi;
use super::call::{Result, Sysno, call, done, value};
use super::file::Fd;
use super::zstr::ZStr;

/// `socket`, `setsockopt(SO_PASSCRED)`, `bind`, `getsockname`—A datagram socket with an abstract name that the kernel
/// chooses, which tells who sent what; writes the name (without its leading NUL, with a NUL behind) to `name`.
///
/// # Errors
/// [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)
pub fn notification_socket(name: &mut [u8; 16]) -> Result<Fd> {
    let kind = abi::SOCK_DGRAM | abi::SOCK_CLOEXEC;
    // SAFETY: takes no pointer.
    let socket = value(unsafe { call!(socket, abi::AF_UNIX, kind, 0) })?;
    let on = 1_u32;
    // SAFETY: the kernel reads the number.
    done(unsafe { call!(setsockopt, socket, abi::SOL_SOCKET, abi::SO_PASSCRED, &raw const on, size_of::<u32>()) })?;
    // SAFETY: the structure holds numbers alone.
    let mut address: abi::sockaddr_un = unsafe { zeroed() };
    address.sun_family = abi::AF_UNIX as u16;
    let family = size_of_val(&address.sun_family);
    // SAFETY: the kernel reads the family alone, and so chooses the name.
    done(unsafe { call!(bind, socket, &raw const address, family) })?;
    let mut length = size_of::<abi::sockaddr_un>() as u32;
    // SAFETY: the kernel writes the structure as far as its length, and the length.
    done(unsafe { call!(getsockname, socket, &raw mut address, &raw mut length) })?;
    for (slot, byte) in name.iter_mut().zip(address.sun_path.iter().skip(1)) {
        *slot = *byte as u8;
    }
    Ok(Fd(socket))
}

/// A datagram, and who sent it.
pub struct Datagram<'a> {
    /// What it says, up to a NUL.
    pub text: ZStr<'a>,
    /// The sender's user id.
    pub uid: u32,
}

/// `recvmsg(socket)`—Take the next datagram.
///
/// # Errors
/// EAGAIN: none is there; [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html)
pub fn receive(socket: Fd, buffer: &mut [u8]) -> Result<Datagram<'_>> {
    #[repr(C)]
    struct Control {
        header: abi::cmsghdr,
        sender: abi::ucred,
    }
    // SAFETY: the structure holds numbers alone.
    let mut control: Control = unsafe { zeroed() };
    let room = [buffer.as_mut_ptr() as usize, buffer.len().saturating_sub(1)]; // struct iovec
    // SAFETY: the structure holds numbers and pointers that may be null.
    let mut message: abi::msghdr = unsafe { zeroed() };
    message.msg_iov = room.as_ptr().cast_mut().cast();
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the kernel writes within the buffer and the control structure.
    let size = value(unsafe { call!(recvmsg, socket.0, &raw mut message, abi::MSG_DONTWAIT) })?;
    let told = control.header.cmsg_type == abi::SCM_CREDENTIALS as i32;
    let text = buffer.get_mut(..=size as usize).unwrap_or_default();
    Ok(Datagram { text: ZStr::terminate(text), uid: if told { control.sender.uid } else { u32::MAX } })
}
