//! bgexec runs a command in the background.

#![no_std]

pub mod options;
pub mod plan;
pub mod report;
pub mod steps;
pub mod sys;
