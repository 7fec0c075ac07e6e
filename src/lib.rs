//! bgexec runs a command in the background.

#![no_std]

pub mod options;
pub mod passwd;
pub mod plan;
pub mod report;
pub mod scan;
pub mod steps;
pub mod sys;
