//! Rules that can be broken on purpose, to show that the invariants notice.

/// A broken rule. The names in brackets are those of `docs/invariants.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Broken {
    /// The group takes offsets from members of an older generation (T3).
    NoFence,
    /// A shard is restored to the last stable offset, not to the high watermark (T4).
    RestoreToStable,
    /// Records are written after the offsets were sent, no longer guarded by the generation check (T4).
    OffsetsFirst,
    /// Rows are taken for true however old they are (T5).
    OldRows,
    /// An epoch is said to be committed before it is (T2).
    EarlyCommit,
    /// After a failed commit the inputs are not read again (F1).
    NoRewind,
    /// Epochs are committed without their offsets (T1).
    NoOffsets,
    /// Waves end at the last stable offset, not at the high watermark (W2).
    LookToStable,
    /// What a later wave has told is not said once more under an earlier one (W1).
    NoRepeat,
}
