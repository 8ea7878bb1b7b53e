//! What a failure becomes: a number, a word, a message, and the block that is to blame.

use std::any::Any;
use std::error::Error as StdError;
use std::ffi::{CStr, CString, c_int};

use verity::table::TableError;
use verity::{
    AlgorithmError, BlockRef, DigestError, Error, ErrorClass, FecError, HashAreaError, ParamsError,
    SaltError, TrustError,
};
use verity_sign::Class;

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Code {
    Argument = -1,
    Io = -2,
    Corrupt = -3,
    Cancelled = -4,
    Format = -5,
    Size = -6,
    Signature = -7,
    Untrusted = -8,
    Policy = -9,
    Key = -10,
    NoRoom = -11,
    Unrepaired = -12,
    Unsupported = -13,
    Other = -14,
    Panic = -99,
}

impl Code {
    pub(crate) fn class_name(self) -> &'static CStr {
        match self {
            Code::Argument => c"argument",
            Code::Io => c"io",
            Code::Corrupt => c"corrupt",
            Code::Cancelled => c"cancelled",
            Code::Format => c"format",
            Code::Size => c"size",
            Code::Signature => c"signature",
            Code::Untrusted => c"untrusted",
            Code::Policy => c"policy",
            Code::Key => c"key",
            Code::NoRoom => c"no-room",
            Code::Unrepaired => c"unrepaired",
            Code::Unsupported => c"unsupported",
            Code::Other => c"other",
            Code::Panic => c"panic",
        }
    }
}

/// A failed call.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    pub(crate) os_errno: i32,
    pub(crate) block: Option<BlockRef>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), os_errno: 0, block: None }
    }

    /// Something that was given is not what it must be.
    pub(crate) fn argument(message: impl Into<String>) -> Failure {
        Failure::new(Code::Argument, message)
    }

    /// A panic that was caught.
    pub(crate) fn panic(payload: &(dyn Any + Send)) -> Failure {
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
        let words = words.unwrap_or("without words");
        Failure::new(Code::Panic, format!("a fault of the library: {words}"))
    }

    /// The storage has failed.
    pub(crate) fn io(what: &str, error: &std::io::Error) -> Failure {
        let os_errno = error.raw_os_error().unwrap_or(0);
        Failure { os_errno, ..Failure::new(Code::Io, format!("{what}: {error}")) }
    }

    /// By another number.
    pub(crate) fn with_code(self, code: Code) -> Failure {
        Failure { code, ..self }
    }

    pub(crate) fn code(&self) -> c_int {
        self.code as c_int
    }
}

/// An error with all its causes. A cause that the words of the error repeat is left out.
fn words(error: &dyn StdError) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match error.class() {
            ErrorClass::Argument => Code::Argument,
            ErrorClass::Cancelled => Code::Cancelled,
            ErrorClass::Corrupt => Code::Corrupt,
            ErrorClass::Format => Code::Format,
            ErrorClass::Io => Code::Io,
            ErrorClass::NoRoom => Code::NoRoom,
            ErrorClass::Size => Code::Size,
            _ => Code::Other,
        };
        let os_errno = error.storage_error().and_then(std::io::Error::raw_os_error);
        Failure {
            code,
            message: words(&error),
            os_errno: os_errno.unwrap_or(0),
            block: error.block(),
        }
    }
}

impl From<verity_sign::Error> for Failure {
    fn from(error: verity_sign::Error) -> Failure {
        let code = match error.class() {
            Class::Format | Class::Limit => Code::Format,
            Class::Io => Code::Io,
            Class::Key => Code::Key,
            Class::Policy => Code::Policy,
            Class::Signature => Code::Signature,
            Class::Trust => Code::Untrusted,
            Class::Unsupported => Code::Unsupported,
            _ => Code::Other,
        };
        Failure::new(code, words(&error))
    }
}

macro_rules! from {
    ($($error:ty => $code:ident),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::new(Code::$code, words(&error))
            }
        }
    )*};
}

from! {
    AlgorithmError => Unsupported,
    DigestError => Argument,
    FecError => Argument,
    HashAreaError => Argument,
    ParamsError => Argument,
    SaltError => Argument,
    TableError => Argument,
    TrustError => Argument,
}

/// An error in the hands of a host.
pub(crate) struct verity_error {
    pub(crate) failure: Failure,
    pub(crate) message: CString,
}

impl From<Failure> for verity_error {
    fn from(failure: Failure) -> verity_error {
        // Names that a host gave are the only place where a NUL could come from, and end at theirs.
        let message = CString::new(failure.message.replace('\0', "\\0")).unwrap_or_default();
        verity_error { failure, message }
    }
}

/// The level of data blocks.
pub(crate) const DATA: i32 = -1;

/// The level of a block as the header numbers it.
pub(crate) fn level_of(block: BlockRef) -> i32 {
    block.level().map_or(DATA, i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_all_causes_once() {
        let source = std::io::Error::from_raw_os_error(5);
        let error = Error::Read { block: BlockRef::Hash { level: 1, block: 7 }, source };
        let failure = Failure::from(error);
        assert_eq!(
            failure.message,
            "cannot read hash level 1 block 7: Input/output error (os error 5)"
        );
        assert_eq!((failure.code, failure.os_errno), (Code::Io, 5));
        let failure = Failure::from(Error::Params(ParamsError::NoData));
        assert_eq!(failure.message, "there are no data blocks to protect");
    }
}
