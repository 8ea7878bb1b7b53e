//! Devices that others use, or make at the same time.

use std::cell::RefCell;
use std::fs;
use std::process;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use verity_dm::{
    Close, Closed, DeviceMapper, Error, Open, Reason, Run, Step, Udev, cancel_deferred,
};

use verity_testdata::guest::eventually;

use crate::image::Image;
use crate::tools::{Guest, device, fails, ok, tool};

fn quick(guest: &Guest) -> Close {
    Close::new(device("root")).udev(guest.udev).patience(Duration::from_millis(300))
}

pub(crate) fn in_use(guest: &Guest) {
    let image = Image::new(guest);
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    let users = |close: Close| {
        let closed = close.run(&guest.device_mapper, Run::default());
        let Err(Error::InUse { users, .. }) = closed else { panic!("{closed:?}") };
        println!("in use{users}");
        users
    };
    // Open in this process.
    let held = fs::File::open(&opened.node).unwrap();
    let found = users(quick(guest));
    assert_eq!(
        found.processes.iter().map(|process| process.pid).collect::<Vec<_>>(),
        [process::id()]
    );
    drop(held);
    // Below another device.
    ok("dmsetup", &["create", "over", "--table", "0 8 linear /dev/mapper/root 0"]);
    let found = users(quick(guest).patience(Duration::from_secs(60)));
    assert!(found.holders.len() == 1 && found.holders[0].starts_with("dm-"));
    ok("dmsetup", &["remove", "over"]);
    guest.close("root");
    // Mounted.
    let image = Image::mountable(guest);
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    ok("mount", &["-t", "ext4", "-o", "ro", opened.node.to_str().unwrap(), "/mnt"]);
    let found = users(quick(guest).patience(Duration::from_secs(60)));
    assert_eq!(found.mounts, [std::path::Path::new("/mnt")]);
    assert_eq!(found.file_systems, ["ext4"]);
    // Removed when it is unmounted.
    let closed = quick(guest).deferred().run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(closed, Closed::Scheduled);
    ok("umount", &["/mnt"]);
    assert!(eventually(|| guest.find("root").is_none()));
    guest.settle();
    let _ = fs::remove_file(&opened.node);
}

pub(crate) fn deferred(guest: &Guest) {
    let image = Image::new(guest);
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    guest.settle();
    let held = fs::File::open(&opened.node).unwrap();
    let close = quick(guest).deferred();
    let schedule = || close.run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(schedule(), Closed::Scheduled);
    assert!(guest.status("root").is_deferred);
    assert!(opened.node.exists(), "the node stays as long as the device does");
    assert!(ok("dmsetup", &["info", "root"]).contains("DEFERRED REMOVE"));
    cancel_deferred(&guest.device_mapper, &device("root")).unwrap();
    cancel_deferred(&guest.device_mapper, &device("root")).unwrap();
    assert!(!guest.status("root").is_deferred);
    assert_eq!(schedule(), Closed::Scheduled);
    drop(held);
    assert!(eventually(|| guest.find("root").is_none()));
    guest.settle();
    if guest.udev == Udev::Never {
        // Nobody is there to remove it when the device goes; the next device of the name replaces
        // it.
        assert!(opened.node.exists());
    }
    image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    guest.settle();
    // Nobody has it open: it goes at once.
    assert_eq!(schedule(), Closed::Removed);
}

pub(crate) fn two_opens_at_once(guest: &Guest) {
    let image = Image::new(guest);
    let shared = &guest.device_mapper;
    for round in 0..6 {
        let barrier = Barrier::new(2);
        let open: Open = image.open(guest, "root");
        let run = || {
            let own = DeviceMapper::open().unwrap();
            let device_mapper = if round % 2 == 0 { &own } else { shared };
            barrier.wait();
            open.run(device_mapper, Run::default())
        };
        let (first, second) = thread::scope(|scope| {
            let other = scope.spawn(run);
            (run(), other.join().unwrap())
        });
        let lost = match (&first, &second) {
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
            _ => panic!("{first:?}, {second:?}"),
        };
        assert_eq!(lost.reason(), Reason::NameInUse, "{lost}");
        image.check_device(&device("root").node());
        guest.close("root");
    }
}

/// The original knows nothing of our lock: whoever comes first has the name, and the other one
/// leaves nothing behind.
pub(crate) fn theirs_at_each_step(guest: &Guest) {
    for step in [Step::NameIsFree, Step::BackingOpened, Step::Created, Step::Loaded, Step::Resumed]
    {
        let image = Image::new(guest);
        let root_hash = image.root_hash.to_string();
        let [data, hash] = [&image.data, &image.hash].map(|path| path.to_str().unwrap());
        let theirs = RefCell::new(None);
        let tell = |now| {
            if now == step {
                let line = ["open", data, "root", hash, &root_hash];
                theirs.replace(Some(tool("veritysetup", &line)));
            }
        };
        let open = image.open(guest, "root");
        let ours = open.run(&guest.device_mapper, Run::default().told_by(&tell));
        let theirs = theirs.into_inner().unwrap();
        let is_early = matches!(step, Step::NameIsFree | Step::BackingOpened);
        if is_early {
            assert!(theirs.status.success());
            assert_eq!(ours.unwrap_err().reason(), Reason::NameInUse);
            assert!(open.existing(&guest.device_mapper).unwrap().unwrap().is_equal());
        } else {
            assert_eq!(theirs.status.code(), Some(5), "{step:?}");
            ours.unwrap();
        }
        let said = fails("veritysetup", &["open", data, "root", hash, &root_hash], 5);
        assert!(said.contains("already exists"), "{said}");
        image.check_device(&device("root").node());
        guest.close("root");
        guest.check_clean();
    }
}
