//! What the kernel answers to `dm-verity-device`: answers of device-mapper, of loop devices, lines
//! of the log, and names. The first byte of an input says which of them the rest is.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - what is read lies in the input, and is not more than it: no record is read twice;
//! - a table that `verity::table` accepts is read as the same table, and one with a word for a key
//!   is signed;
//! - the UUID of any name is one that the kernel takes;
//! - a name that is accepted is one file below `/dev/mapper`, of a length that the kernel takes,
//!   and the kernel's spelling of it is the same name;
//! - a line of the log is short and printable.

use verity::table::{OnCorruption, Table, TableOptions};
use verity_dm::record::{
    Answer, DeviceNumber, DeviceUuid, Flags, Health, LOOP_AUTOCLEAR, LogRecord, LoopInfo, MAX_NAME,
    MAX_UUID, MapperName, Request, VerityLine, encode_target, parse_devices, parse_targets,
    parse_versions,
};

use crate::message;

const KINDS: u8 = 5;

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % KINDS {
        0 => check_answer(rest),
        1 => check_loop(rest),
        2 => check_log(rest),
        3 => check_name(rest),
        _ => check_line(rest),
    }
}

/// Whether the input is understood as what it says that it is.
pub fn is_accepted(data: &[u8]) -> bool {
    let Some((kind, rest)) = data.split_first() else { return false };
    let text = std::str::from_utf8(rest);
    match kind % KINDS {
        0 => Answer::parse(rest).is_ok(),
        1 => rest.len() == LoopInfo::SIZE,
        2 => LogRecord::parse(rest).is_some(),
        3 => text.is_ok_and(|text| MapperName::new(text).is_ok()),
        _ => text.is_ok_and(|text| VerityLine::parse(text).is_ok()),
    }
}

fn check_answer(bytes: &[u8]) {
    let answer = match Answer::parse(bytes) {
        Ok(answer) => answer,
        Err(error) => return message::check(&error),
    };
    assert!(answer.payload.len() <= bytes.len());
    // Bytes that are not UTF-8 become three each.
    assert!(answer.name.len() <= 3 * (MAX_NAME + 1) && answer.uuid.len() <= 3 * (MAX_UUID + 1));
    check_node(&MapperName::from_kernel(&answer.name));
    assert_eq!(DeviceNumber::from_kernel(answer.number.to_kernel()), answer.number);
    let most = 3 * answer.payload.len();
    match parse_targets(answer.payload, answer.target_count) {
        Ok(targets) => {
            assert_eq!(u32::try_from(targets.len()), Ok(answer.target_count));
            let read = targets.iter().map(|target| 40 + target.text.len());
            assert!(read.sum::<usize>() <= most);
            for target in targets {
                let _ = VerityLine::parse(&target.text).map_err(|error| message::check(&error));
                let health = Health::parse(&target.text);
                assert!(health.is_uncorrupted() == (health.letter == 'V'));
            }
        }
        Err(error) => message::check(&error),
    }
    match parse_devices(answer.payload) {
        Ok(devices) => {
            assert!(devices.iter().map(|device| 12 + device.name.len()).sum::<usize>() <= most);
        }
        Err(error) => message::check(&error),
    }
    match parse_versions(answer.payload) {
        Ok(targets) => {
            assert!(targets.iter().map(|target| 16 + target.kind.len()).sum::<usize>() <= most);
        }
        Err(error) => message::check(&error),
    }
}

fn check_loop(bytes: &[u8]) {
    let Some(record) = bytes.first_chunk() else { return };
    let info = LoopInfo::parse(record);
    assert!(info.name.len() <= 3 * 64);
    assert_eq!(info.has(LOOP_AUTOCLEAR), info.flags & LOOP_AUTOCLEAR != 0);
    let again = LoopInfo::parse(&LoopInfo::encode(
        info.flags,
        info.name.as_bytes(),
        info.offset,
        info.size_limit,
    ));
    assert_eq!(again.flags, info.flags);
    assert!(info.name.starts_with(again.name.trim_end_matches('\u{fffd}')));
}

fn check_log(bytes: &[u8]) {
    let Some(record) = LogRecord::parse(bytes) else { return };
    assert!(record.text.len() <= 512, "{} bytes", record.text.len());
    assert!(!record.text.chars().any(char::is_control), "{:?}", record.text);
    assert!(record.text.ends_with(record.refusal()));
    let number = DeviceNumber { major: 253, minor: 0 };
    if record.is_about(number) {
        assert!(record.text.contains("253:0") && record.text.contains("device-mapper:"));
    }
}

fn check_name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match MapperName::new(text) {
        Ok(name) => {
            assert!(name.kernel().len() <= MAX_NAME, "{name:?}");
            assert!(name.kernel().bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
            assert_eq!(MapperName::new(name.kernel()).as_ref(), Ok(&name));
            assert_eq!(MapperName::from_kernel(name.kernel()), name);
            assert!(text == name.plain() || text == name.kernel(), "{name:?}");
            check_node(&name);
        }
        Err(error) => message::check(&error),
    }
    check_node(&MapperName::from_kernel(text));
}

fn check_node(name: &MapperName) {
    let node = name.node();
    let Some(rest) = node.to_str().and_then(|node| node.strip_prefix("/dev/mapper/")) else {
        panic!("{} is elsewhere", node.display());
    };
    assert!(!rest.contains('/'), "{} leads on", node.display());
    let image = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033".parse().expect("a UUID");
    for image in [None, Some(image)] {
        let uuid = DeviceUuid::new(image, name);
        assert!(uuid.kernel().len() <= MAX_UUID && DeviceUuid::is_verity(uuid.kernel()));
    }
}

fn check_line(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let line = VerityLine::parse(text).map_err(|error| message::check(&error));
    let Ok(line) = line else { return };
    assert!(line.is_signed() || line.options.known.root_hash_sig_key_desc.is_none());
    let sectors = u128::from(line.data_blocks) * u128::from(line.data_block_size) / 512;
    let Ok(table) = format!("0 {sectors} verity {text}").parse::<Table>() else { return };
    let params = table.params();
    assert_eq!(line.hash_type.to_string(), params.hash_type().to_string());
    assert_eq!(line.data_block_size, params.data_block_size().bytes());
    assert_eq!(line.hash_block_size, params.hash_block_size().bytes());
    assert_eq!((line.data_blocks, line.hash_start), (params.data_blocks(), table.hash_start()));
    assert_eq!(line.data_device, table.data_device().as_str());
    assert_eq!(line.hash_device, table.hash_device().as_str());
    assert_eq!(line.algorithm, params.algorithm().name());
    assert_eq!(line.root_hash.to_ascii_lowercase(), table.root_hash().to_string());
    assert_eq!(line.salt.to_ascii_lowercase(), hex::encode(params.salt().as_bytes()));
    assert_eq!(&line.options.known, table.options());
    assert_eq!(line.options.unknown, [""; 0]);
}

/// Answers, lines and names as a kernel has them.
///
/// # Panics
/// If what is written down here cannot be encoded.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut push = |kind: u8, bytes: &[u8]| seeds.push([&[kind], bytes].concat());
    let parameters = parameters();
    let status = encode_target("verity", 2048, "V").expect("short");
    let table = encode_target("verity", 2048, &parameters[0]).expect("short");
    for (flags, target_count, payload) in [
        (0x21, 1, &*status),
        (0x31, 1, &*table),
        (0x21, 1, &*encode_target("verity", 2048, "C 3").expect("short")),
        (0x21, 2, &*[&*status, &status].concat()),
        (0, 0, &[]),
        (0, 0, &*list()),
        (0, 0, &*versions()),
    ] {
        let flags = Flags::from_bits(flags);
        let uuid = "CRYPT-VERITY-a60c98d2ae9b4865bfcbb4e3ace11033-root";
        let request =
            Request { name: "root", uuid, flags, target_count, payload, ..Request::default() };
        push(0, &request.encode(0).expect("short"));
    }
    push(1, &LoopInfo::encode(5, b"/srv/root.img", 1 << 20, 0));
    push(1, &[0xff; LoopInfo::SIZE]);
    for line in [
        "3,1234,5678901,-;device-mapper: table: 253:0: verity: Root hash verification failed \
         (-ENOKEY)\n SUBSYSTEM=block\n DEVICE=b253:0\n",
        "3,1,2,-;device-mapper: ioctl: error adding target to table\n",
        "6,7,8,c;loop0: detected capacity change from 0 to 16\n",
    ] {
        push(2, line.as_bytes());
    }
    for name in ["root", "a b", r"a\x20b", "a\\b", "\u{e4}", "x#+-.:=@_"] {
        push(3, name.as_bytes());
    }
    for line in parameters {
        push(4, line.as_bytes());
    }
    seeds
}

/// Parameters with options as the kernel writes them, and as they may come.
fn parameters() -> Vec<String> {
    let fixed = format!("1 7:0 7:1 4096 4096 256 1 sha256 {} {}", "ab".repeat(32), "cd".repeat(32));
    let options = [
        "",
        " 1 ignore_corruption",
        " 8 use_fec_from_device 7:2 fec_blocks 259 fec_start 0 fec_roots 2",
        " 3 panic_on_corruption restart_on_error try_verify_in_tasklet",
        " 2 root_hash_sig_key_desc verity:root",
        " 2 root_hash_sig_key_desc cryptsetup:\u{e4}",
        " 2 what_is_new 7",
    ];
    let known = TableOptions {
        on_corruption: Some(OnCorruption::Restart),
        check_at_most_once: true,
        ..TableOptions::default()
    };
    let mut lines: Vec<_> = options.iter().map(|options| format!("{fixed}{options}")).collect();
    lines.push(format!("{fixed} 2 {}", known.words().join(" ")));
    lines
}

/// A list of two devices.
fn list() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (minor, next, name) in [(0, 24_u32, "root"), (1, 0, "other")] {
        let number = DeviceNumber { major: 253, minor };
        bytes.extend(number.to_kernel().to_ne_bytes());
        bytes.extend(next.to_ne_bytes());
        bytes.extend(name.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(24), 0);
    }
    bytes
}

/// A list of two targets.
fn versions() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (next, version, name) in [(24_u32, [1_u32, 10, 0], "verity"), (0, [1, 9, 0], "linear")] {
        bytes.extend(next.to_ne_bytes());
        bytes.extend(version.map(u32::to_ne_bytes).as_flattened());
        bytes.extend(name.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(24), 0);
    }
    bytes
}
