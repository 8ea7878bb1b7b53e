//! Devices whose root hash is signed by a key that the kernel trusts.

use std::fs;

use verity_dm::{Difference, Reason, Run};

use crate::image::Image;
use crate::tools::{Guest, ok};

pub(crate) fn signed(guest: &Guest) {
    let image = Image::new(guest);
    let good = image.signature();
    for name in ["root", "a b"] {
        let open = image.open(guest, name).signature(good.clone());
        let opened = open.run(&guest.device_mapper, Run::default()).unwrap();
        image.check_device(&opened.node);
        assert!(opened.status.verity().unwrap().line.is_signed());
        assert!(ok("veritysetup", &["status", name]).contains("verified (with signature)"));
        assert!(open.existing(&guest.device_mapper).unwrap().unwrap().is_equal());
        let plain = image.open(guest, name).existing(&guest.device_mapper).unwrap().unwrap();
        assert_eq!(plain.differences, [Difference::Signature]);
        guest.close(name);
        guest.check_clean();
    }
    let other = Image::new(guest);
    let error = other
        .open(guest, "root")
        .signature(good.clone())
        .run(&guest.device_mapper, Run::default())
        .unwrap_err();
    assert_eq!(error.reason(), Reason::KeyRejected, "{error}");
    // By the original.
    let file = image.data.with_file_name("signature");
    fs::write(&file, &good).unwrap();
    let option = format!("--root-hash-signature={}", file.display());
    image.open_by_original("root", &[&option]);
    let open = image.open(guest, "root").signature(good);
    assert!(open.existing(&guest.device_mapper).unwrap().unwrap().is_equal());
    guest.close("root");
}
