//! The command under test, run as a user runs it. One program, so that it is built and linked once:
//! what is tested runs in processes of its own anyway.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[cfg(feature = "http")]
mod boot_chain;
mod build;
mod claims;
mod cli;
mod command;
mod common;
mod compat;
mod crash;
mod diff;
mod differential;
mod disk_images;
mod disks;
mod dissect;
mod dump;
mod errors;
mod fec;
mod fec_blocks;
mod format;
mod geometry;
mod grown;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "https")]
mod https;
mod images;
mod install;
#[cfg(feature = "http")]
mod install_web;
#[cfg(feature = "pages")]
mod installed;
mod interruption;
mod kernel;
mod key_files;
mod known_answers;
mod like;
mod live;
mod others;
mod overlap;
mod padding;
mod personality;
mod plan;
mod read;
mod readme;
mod recipes;
mod rehash;
mod repair;
mod roles;
mod screens;
mod secrets;
mod serve;
mod sign;
mod signals;
mod signatures;
mod signing;
mod single_file;
mod slots;
mod sparse;
mod state;
mod stream_data;
mod streams;
mod systemd;
mod table;
mod times;
mod tips;
#[cfg(feature = "pkcs11")]
mod tokens;
mod verify;
