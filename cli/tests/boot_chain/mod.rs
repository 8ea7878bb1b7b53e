//! A machine with two slots: it boots a release from a root filesystem on dm-verity, installs the
//! next one over HTTP, boots that, and goes back from one that is not healthy.
//!
//! All of it is real but for the boot loader: the firmware (OVMF) with the vendor's certificate in
//! `db`, the kernel, the initial file system with this command in it, a Debian root filesystem, a
//! web server. The boot loader is a stand-in of twenty lines for GRUB's rule ([`Board::choose`]),
//! as no GRUB with the patches can be had here.

mod board;
mod release;

use self::board::Board;
use self::release::Release;

/// A release is installed, in two goes; boots; and the next one, which is not healthy, is left.
///
/// How often the first installation is cut short is `VERITY_BOOT_CUTS`, once unless it is set.
#[test]
fn a_machine_is_installed_into_and_goes_back() {
    let Some(board) = Board::new() else { return };
    let cuts = std::env::var("VERITY_BOOT_CUTS").map_or(1, |cuts| cuts.parse().unwrap());

    // Cut short anywhere, the old release boots, and the same command goes on.
    let whole = board.requests(2);
    for cut in 1..=cuts {
        let machine = board.boots_unread(1, 'a', "2");
        let sent = board.cut(machine, whole * cut / (cuts + 1));
        println!("cut after {sent} requests of {whole}");
    }
    let said = board.boots(1, 'a', "2").end();
    let installed = board::json(&said, "{");
    assert_eq!(installed["installed"], true, "{said}");
    assert_eq!(installed["read_back"], "direct", "{said}");
    // What was synced before the cut is there: most of what was copied.
    let count = |key: &str| installed[key].as_u64().unwrap();
    assert!(cuts == 0 || 2 * count("in_place") > count("data_blocks"), "it goes on: {said}");
    assert!(said.contains("install: 0\n"), "{said}");
    let said = board.boots(2, 'b', "3").end();
    assert!(said.contains("install: 0\n"), "{said}");

    // It has one boot to show that it is healthy.
    let said = board.boots(3, 'a', "none").end();
    assert!(said.contains("health: bad\n") && !said.contains("the end"), "{said}");
    let said = board.boots(2, 'b', "none").end();
    assert!(said.contains("health: good\n") && said.contains("the end"), "{said}");
    assert_eq!(Release::NUMBERS.len(), 3);
}
