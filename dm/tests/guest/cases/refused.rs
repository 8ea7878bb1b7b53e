//! Devices that cannot be, and what is said of it.

use std::fs;
use std::path::Path;

use verity_dm::{Close, Error, ExistingState, Open, Reason, Role, Run, State};

use crate::image::{Image, Shape};
use crate::tools::{Guest, device, fails, ok};

/// Opening must fail; what it says, and the reason.
fn refused(guest: &Guest, open: &Open) -> (String, Reason) {
    let error = open.run(&guest.device_mapper, Run::default()).unwrap_err();
    println!("{error}");
    (error.to_string(), error.reason())
}

pub(crate) fn names_that_are_taken(guest: &Guest) {
    let image = Image::new(guest);
    image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    let before = guest.status("root");
    let error = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap_err();
    assert!(matches!(error, Error::Exists { state: ExistingState::Live, .. }), "{error}");
    assert_eq!(guest.status("root"), before);
    guest.close("root");
    ok("dmsetup", &["create", "root", "--table", "0 8 error"]);
    assert_eq!(refused(guest, &image.open(guest, "root")).1, Reason::NameInUse);
    ok("dmsetup", &["remove", "root"]);
    // A file in the place of the node is not replaced, and the device goes again.
    fs::write("/dev/mapper/root", "mine").unwrap();
    if guest.udev == verity_dm::Udev::Never {
        let error = image.open(guest, "root").run(&guest.device_mapper, Run::default());
        assert!(matches!(error.unwrap_err(), Error::Node { .. }));
        assert!(guest.find("root").is_none());
    }
    assert_eq!(fs::read_to_string("/dev/mapper/root").unwrap(), "mine");
    fs::remove_file("/dev/mapper/root").unwrap();
    // A device of another name with our UUID.
    let uuid = format!("CRYPT-VERITY-{}-root", crate::image::UUID.replace('-', ""));
    ok("dmsetup", &["create", "other", "-u", &uuid, "--table", "0 8 error"]);
    let error = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap_err();
    assert!(matches!(error, Error::Exists { state: ExistingState::Unknown, .. }), "{error}");
    ok("dmsetup", &["remove", "other"]);
}

pub(crate) fn devices_that_are_in_use(guest: &Guest) {
    let image = Image::new(guest);
    let data = ok("losetup", &["--find", "--show", image.data.to_str().unwrap()]);
    ok("dmsetup", &["create", "over", "--table", &format!("0 8 linear {data} 0")]);
    let open = image.open_at(guest, "root", Path::new(&data), &image.hash);
    let error = open.run(&guest.device_mapper, Run::default()).unwrap_err();
    assert!(matches!(error, Error::Backing { role: Role::Data, .. }), "{error}");
    assert_eq!(error.reason(), Reason::BackingInUse);
    assert_eq!(ok("losetup", &["-a"]).lines().count(), 1, "no loop device is left");
    let opened = open.shared().run(&guest.device_mapper, Run::default()).unwrap();
    image.check_device(&opened.node);
    guest.close("root");
    ok("dmsetup", &["remove", "over"]);
    ok("losetup", &["-d", &data]);
}

pub(crate) fn what_no_device_can_be(guest: &Guest) {
    let image = Image::new(guest);
    let directory = image.data.parent().unwrap();
    let fifo = directory.join("fifo");
    ok("mkfifo", &[fifo.to_str().unwrap()]);
    for (path, expected) in [
        (Path::new("/tmp"), Reason::NotCompatible),
        (Path::new("/dev/null"), Reason::NotCompatible),
        (&fifo, Reason::NotCompatible),
        (Path::new("/nowhere"), Reason::BackingUnreadable),
    ] {
        let open = image.open_at(guest, "root", path, &image.hash);
        let (said, reason) = refused(guest, &open);
        assert_eq!(reason, expected);
        assert!(said.contains("data device") && said.contains(path.to_str().unwrap()), "{said}");
        let open = image.open_at(guest, "root", &image.data, path);
        assert!(refused(guest, &open).0.contains("hash device"));
        assert!(open.existing(&guest.device_mapper).unwrap().is_none());
    }
    let short = directory.join("short");
    fs::write(&short, &image.bytes[512..]).unwrap();
    let open = image.open_at(guest, "root", &short, &image.hash);
    let (said, reason) = refused(guest, &open);
    assert_eq!(reason, Reason::DeviceTooSmall);
    assert!(said.contains("261632 bytes, 262144 are needed"), "{said}");
    fs::write(&short, [0; 4096]).unwrap();
    let open = image.open_at(guest, "root", &image.data, &short);
    assert_eq!(refused(guest, &open).1, Reason::DeviceTooSmall);
}

pub(crate) fn tables_that_the_kernel_refuses(guest: &Guest) {
    // Blocks below the sectors of the device.
    let image = Image::of(guest, Shape { block_size: 1024, ..Shape::default() });
    let attach = ["--find", "--show", "--sector-size", "4096", image.data.to_str().unwrap()];
    let data = ok("losetup", &attach);
    let open = image.open_at(guest, "root", Path::new(&data), &image.hash);
    let (said, reason) = refused(guest, &open);
    assert_eq!(reason, Reason::LogicalBlockSize);
    assert!(said.contains("the kernel's log: Invalid data device block size"), "{said}");
    ok("losetup", &["-d", &data]);
    // Parity that does not reach as far as the tree.
    let image = Image::of(guest, Shape { fec: true, data_blocks: 600, ..Shape::default() });
    let (path, area) = image.fec.clone().unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let (said, reason) = refused(guest, &image.open(guest, "root").fec(&path, &area));
    assert_eq!(reason, Reason::DeviceTooSmall);
    assert!(said.contains("FEC device is too small"), "{said}");
    let error = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap_err();
    let Error::Refused(refusal) = &error else { panic!("{error}") };
    assert!(refusal.target_version.is_some());
    assert_eq!(error.errno(), Some(7));
    // An algorithm that the kernel lacks.
    let params = verity::Params::builder()
        .algorithm(verity::Algorithm::Sm3)
        .data_blocks(64)
        .build()
        .unwrap();
    let image = Image::new(guest);
    let hash_area = verity::HashArea::new(&params, 0, true).unwrap();
    let open =
        Open::new(device("root"), params, image.root_hash, &hash_area, &image.data, &image.hash);
    let (said, reason) = refused(guest, &open.udev(guest.udev));
    assert_eq!(reason, Reason::UnknownHash, "{said}");
}

pub(crate) fn signatures_that_the_kernel_refuses(guest: &Guest) {
    let image = Image::new(guest);
    let garbage = image.open(guest, "root").signature(b"no PKCS#7".to_vec());
    let (said, reason) = refused(guest, &garbage);
    assert_eq!(reason, Reason::SignatureMalformed);
    assert!(said.contains("Root hash verification failed"), "{said}");
    let empty = image.open(guest, "root").signature(Vec::new());
    assert_eq!(refused(guest, &empty).1, Reason::SignatureMalformed);
    let long = image.open(guest, "root").signature(vec![0; 32_768]);
    assert_eq!(refused(guest, &long).1, Reason::SignatureMalformed);
    // A blank in the name, of which the table makes two words for the original.
    let blank = image.open(guest, "a b").signature(b"no PKCS#7".to_vec());
    assert_eq!(refused(guest, &blank).1, Reason::SignatureMalformed);
    // A signature by somebody whom the kernel does not know.
    let stranger = image.open(guest, "root").signature(image.signature());
    let (said, reason) = refused(guest, &stranger);
    assert_eq!(reason, Reason::KeyMissing, "{said}");
}

pub(crate) fn foreign_devices(guest: &Guest) {
    ok("dmsetup", &["create", "other", "--table", "0 8 error"]);
    let close = Close::new(device("other")).udev(guest.udev);
    let error = close.run(&guest.device_mapper, Run::default()).unwrap_err();
    assert_eq!(error.reason(), Reason::NotVerity);
    assert!(error.to_string().contains("error"), "{error}");
    assert!(matches!(guest.status("other").state, State::Other { .. }));
    close.any_target().run(&guest.device_mapper, Run::default()).unwrap();
    let absent = Close::new(device("other")).run(&guest.device_mapper, Run::default());
    assert_eq!(absent.unwrap_err().reason(), Reason::NotActive);
    let absent = verity_dm::cancel_deferred(&guest.device_mapper, &device("other"));
    assert_eq!(absent.unwrap_err().reason(), Reason::NotActive);
    assert!(guest.device_mapper.name_of_path(Path::new("/dev/null")).unwrap().is_none());
    fails("veritysetup", &["status", "other"], 4);
}
