//! Names and UUIDs.

use verity::Uuid;
use verity_dm::record::DeviceUuid;
use verity_dm::{MapperName, NameError};

#[test]
fn names_are_written_as_everyone_writes_them() {
    for (plain, kernel) in [
        ("root", "root"),
        ("a b", r"a\x20b"),
        ("a\\b", r"a\x5cb"),
        ("é", r"\xc3\xa9"),
        ("x#+-.:=@_9Z", "x#+-.:=@_9Z"),
    ] {
        let name = MapperName::new(plain).unwrap();
        assert_eq!((name.plain(), name.kernel()), (plain, kernel));
        assert_eq!(MapperName::new(kernel).unwrap(), name);
        assert_eq!(MapperName::from_kernel(kernel), name);
    }
}

#[test]
fn names_that_no_device_can_have_are_refused() {
    let refused = |name: &str| MapperName::new(name).unwrap_err();
    assert_eq!(refused(""), NameError::Empty);
    for name in [".", "..", "control"] {
        assert!(matches!(refused(name), NameError::Reserved { .. }), "{name}");
    }
    for name in ["x/x", "/dev/mapper/x"] {
        assert!(matches!(refused(name), NameError::Slash { .. }), "{name}");
    }
    let nul = refused("a\0b");
    assert!(matches!(nul, NameError::Nul { .. }));
    assert_eq!(nul.to_string(), r#"the name "a\0b" must not contain a NUL"#);
    assert!(matches!(refused(r"a\x20b c"), NameError::Mixed { .. }));
    assert!(MapperName::new(&"x".repeat(127)).is_ok());
    assert_eq!(refused(&"x".repeat(128)), NameError::TooLong { len: 128 });
    assert_eq!(refused(&" ".repeat(32)), NameError::TooLong { len: 128 });
}

#[test]
fn a_name_from_the_kernel_leads_nowhere_else() {
    let name = MapperName::from_kernel("/../../etc/passwd");
    assert!(name.node().starts_with("/dev/mapper/"));
    assert_eq!(name.node().components().count(), 4);
}

#[test]
fn uuids_say_what_the_device_is() {
    let name = MapperName::new("a b").unwrap();
    let image: Uuid = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033".parse().unwrap();
    let uuid = DeviceUuid::new(Some(image), &name);
    assert_eq!(uuid.kernel(), r"CRYPT-VERITY-a60c98d2ae9b4865bfcbb4e3ace11033-a\x20b");
    assert!(!uuid.is_cut() && DeviceUuid::is_verity(uuid.kernel()));
    assert_eq!(DeviceUuid::new(None, &name).kernel(), r"CRYPT-VERITY-a\x20b");
    assert!(!DeviceUuid::is_verity("LVM-x"));
    let long = MapperName::new(&"x".repeat(83)).unwrap();
    let uuid = DeviceUuid::new(Some(image), &long);
    assert!(uuid.is_cut());
    assert_eq!(uuid.kernel().len(), 128);
}

#[test]
fn a_uuid_is_cut_between_characters() {
    // The 128th byte is the first of a character's two.
    let name = MapperName::from_kernel(&format!("{}\u{e9}", "x".repeat(114)));
    let uuid = DeviceUuid::new(None, &name);
    assert!(uuid.is_cut());
    assert_eq!(uuid.kernel(), format!("CRYPT-VERITY-{}", "x".repeat(114)));
}
