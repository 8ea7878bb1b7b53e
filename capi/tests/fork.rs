//! A build, a fork, and a build in the child, from Rust: the child has none of the threads of its
//! parent.

#![expect(unsafe_code, reason = "only C can fork")]

use std::process::Command;

use verity::io::MemoryFile;
use verity::{Builder, Params, Plan, RootHash, TrustedParams, Verifier};

const CHILD: &str = "VERITY_FORK_TEST";

fn build(data: &[u8]) -> RootHash {
    let plan = Plan::for_image(Params::builder(), data.len() as u64, false).unwrap();
    let (params, hash) = (plan.params(), MemoryFile::new());
    let root_hash = Builder::new(params).build(data, &hash, &plan.hash_area()).unwrap();
    let trusted = TrustedParams::pinned(params.clone(), root_hash, plan.hash_area()).unwrap();
    Verifier::new(trusted).verify(data, &hash).unwrap();
    root_hash
}

#[test]
fn a_child_of_a_rust_program_builds_after_its_parent_has() {
    if std::env::var_os(CHILD).is_none() {
        // In a process of its own: in this one other tests hold locks.
        let this = std::env::current_exe().unwrap();
        let name = "fork::a_child_of_a_rust_program_builds_after_its_parent_has";
        let mut command = Command::new(this);
        command.args([name, "--exact", "--nocapture"]).env(CHILD, "1");
        assert!(command.status().unwrap().success());
        return;
    }
    let data = vec![0x5a; 32 << 20];
    let root_hash = build(&data);
    // SAFETY: the child allocates and starts threads, which the C library allows after a fork of a
    // process that has no other thread at work; it ends without running anything of its parent.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: ends a child that waits for ever, and one that is done.
        unsafe {
            libc::alarm(120);
            libc::_exit(i32::from(build(&data) != root_hash));
        }
    }
    let mut status = -1;
    // SAFETY: there is room for the status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
}
