//! From a token into functions that are compiled for its instructions.

/// Declares methods of a token that run kernels: each enables `$features`, which are those that the
/// token was found by, and calls `$kernel`, all of which is inlined there.
macro_rules! entries {
    (
        $Token:ident: $features:literal;
        $(
            $(#[$attribute:meta])*
            $visibility:vis fn $name:ident($job:ident: $Job:ty) = $kernel:expr;
        )*
    ) => {
        impl $Token {
            $(
                $(#[$attribute])*
                $visibility fn $name(self, $job: $Job) {
                    #[target_feature(enable = $features)]
                    fn entered(cpu: $Token, $job: $Job) {
                        $kernel(cpu, $job);
                    }
                    // SAFETY: a token is made where the CPU was found
                    // to have these features, and nowhere else.
                    unsafe { entered(self, $job) }
                }
            )*
        }
    };
}

pub(crate) use entries;
