//! What can go wrong, and how often it does.

use quell_testbed::events::Random;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    EngineKilled,
    EngineKilledAndWiped,
    EngineStopped,
    EngineFrozen,
    EngineAdded,
    EngineRemoved,
    Flood,
    BrokerKilled,
    AllBrokersKilled,
    NetworkSlow,
    NetworkCut,
    NetworkSilent,
}

/// All of them, with how often each comes, of a hundred.
const CHANCES: [(Fault, u64); 12] = [
    (Fault::EngineKilled, 14),
    (Fault::EngineKilledAndWiped, 8),
    (Fault::EngineStopped, 8),
    (Fault::EngineFrozen, 14),
    (Fault::EngineAdded, 9),
    (Fault::EngineRemoved, 9),
    (Fault::Flood, 4),
    (Fault::BrokerKilled, 14),
    (Fault::AllBrokersKilled, 2),
    (Fault::NetworkSlow, 6),
    (Fault::NetworkCut, 6),
    (Fault::NetworkSilent, 6),
];

impl Fault {
    /// One by chance.
    pub fn choose(random: &mut Random) -> Self {
        let mut at = random.below(CHANCES.iter().map(|(_, chance)| chance).sum());
        for (fault, chance) in CHANCES {
            match at.checked_sub(chance) {
                Some(left) => at = left,
                None => return fault,
            }
        }
        Self::EngineKilled
    }

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::EngineKilled => "engine killed (kill -9), disk kept",
            Self::EngineKilledAndWiped => "engine killed (kill -9), disk wiped",
            Self::EngineStopped => "engine stopped and started (SIGTERM)",
            Self::EngineFrozen => "engine frozen (SIGSTOP, SIGCONT)",
            Self::EngineAdded => "engine added",
            Self::EngineRemoved => "engine removed",
            Self::Flood => "flood of input",
            Self::BrokerKilled => "broker killed (kill -9) and restarted",
            Self::AllBrokersKilled => "all brokers killed and restarted",
            Self::NetworkSlow => "network slow",
            Self::NetworkCut => "network cut",
            Self::NetworkSilent => "network silent, connections half open",
        }
    }
}
