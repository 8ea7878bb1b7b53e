//! What a proved read of 4 KiB costs from Rust: nanoseconds of CPU time, with all hash blocks
//! cached. `read_cost.c` beside it is the same from C.
//!
//! `cargo run --release -p dm-verity-capi --example read_cost FILE`; the file is made, best in
//! memory.

use std::error::Error;
use std::fs::OpenOptions;

use verity::io::WriteAt;
use verity::{Builder, Params, Plan, TrustedParams, VerifiedReader};

const SIZE: usize = 64 << 20;
const READS: u32 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: read_cost FILE")?;
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    let mut state = 1;
    let data: Vec<u8> = (0..SIZE).map(|_| next(&mut state).to_be_bytes()[0]).collect();
    file.write_all_at(&data, 0)?;
    let params = Params::builder().data_size(SIZE.try_into()?).build()?;
    let plan = Plan::behind_data(params, true)?;
    let root_hash = Builder::new(plan.params()).build(&file, &file, &plan.hash_area())?;
    let trusted = TrustedParams::pinned(plan.params().clone(), root_hash, plan.hash_area())?;
    let reader = VerifiedReader::new(trusted, &file, &file)?;
    let mut buf = [0; 4096];
    for block in 0..plan.params().data_blocks() {
        reader.read_at(&mut buf, block * 4096)?;
    }
    for _ in 0..5 {
        let start = cpu_nanoseconds()?;
        for _ in 0..READS {
            let block = (next(&mut state) >> 40) % plan.params().data_blocks();
            reader.read_at(&mut buf, block * 4096)?;
        }
        println!("{}", (cpu_nanoseconds()? - start) / i64::from(READS));
    }
    Ok(())
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state
}

/// What this thread has computed so far, as the kernel counts it.
fn cpu_nanoseconds() -> Result<i64, Box<dyn Error>> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(told.split_whitespace().next().ok_or("no count")?.parse()?)
}
