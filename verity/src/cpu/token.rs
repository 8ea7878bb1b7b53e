//! How a token is found.

/// Declares the token of a CPU that has all of these features, each asked by `$has`.
macro_rules! token {
    ($(#[doc = $doc:literal])* $visibility:vis $Token:ident = $has:ident: $($feature:tt)*) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility struct $Token(());

        impl $Token {
            /// Asks the CPU (and the system, which must keep the registers).
            pub(crate) fn found() -> Option<$Token> {
                let has_all = $($has!($feature))&&*;
                has_all.then_some($Token(()))
            }
        }
    };
}

pub(super) use token;
