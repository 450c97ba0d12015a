//! How many pods of a size still fit on the nodes: arithmetic per node over what is allocatable and what is requested.
//!
//! It is no scheduler. Nodes that refuse ordinary pods (not ready, cordoned, tainted) are left out and named; node
//! selectors, affinity, topology, tolerations, volumes, devices and host ports are not looked at.

use aiops_inventory::{Inventory, rows::NodeRow};

/// CPU and memory that a pod requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Millicores.
    pub cpu_milli: i64,
    /// Bytes.
    pub memory_bytes: i64,
}

/// What bounds a number of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Factor {
    /// Places for pods.
    Pods,
    /// Memory.
    Memory,
    /// CPU.
    Cpu,
}

impl Factor {
    /// The word on the wire, as the predecessor had it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pods => "pod_slots",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

/// What is left on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Millicores not requested.
    pub cpu_milli: i64,
    /// Bytes not requested.
    pub memory_bytes: i64,
    /// Places for pods.
    pub pods: i64,
}

/// The nodes that take ordinary pods, together and one by one.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    /// What is left on each.
    pub rooms: Vec<Room>,
    /// What they can give together.
    pub allocatable: Room,
    /// What is taken on them together.
    pub taken: Room,
    /// Nodes that were left out and why.
    pub excluded: Vec<(String, String)>,
}

impl Rooms {
    /// What is left on the nodes of the inventory.
    pub fn of(inventory: &Inventory) -> Self {
        let mut rooms = Self::default();
        for node in inventory.nodes().iter() {
            let name = &node.meta.key.name;
            let reported = (node.allocatable.cpu_milli, node.allocatable.memory_bytes, node.allocatable.pods);
            let why = refuses(node);
            let (Some(cpu_milli), Some(memory_bytes), Some(pods)) = reported else {
                let why = why.unwrap_or_else(|| "does not report what is allocatable".to_owned());
                rooms.excluded.push((name.to_string(), why));
                continue;
            };
            if let Some(why) = why {
                rooms.excluded.push((name.to_string(), why));
                continue;
            }
            let totals = inventory.node_totals(name).copied().unwrap_or_default().pods;
            let counts = totals.counts;
            let taken = Room {
                cpu_milli: totals.requested_cpu_milli,
                memory_bytes: totals.requested_memory_bytes,
                pods: counts.pending + counts.running + counts.unknown,
            };
            let allocatable = Room { cpu_milli, memory_bytes, pods };
            rooms.rooms.push(allocatable.less(taken));
            rooms.allocatable = rooms.allocatable.plus(allocatable);
            rooms.taken = rooms.taken.plus(taken);
        }
        rooms
    }

    /// What is left on all nodes together.
    pub fn left(&self) -> Room {
        self.rooms.iter().fold(Room::default(), |sum, room| sum.plus(*room))
    }

    /// How many pods of this size fit.
    pub fn fit(&self, size: Size) -> i64 {
        self.rooms.iter().fold(0, |sum: i64, room| sum.saturating_add(room.fit(size)))
    }

    /// Which want keeps more from fitting: the one without which most would fit.
    pub fn limiting(&self, size: Size) -> Factor {
        let without = |factor: Factor| {
            let relaxed = self.rooms.iter().map(|room| match factor {
                Factor::Pods => Room { pods: i64::MAX, ..*room }.fit(size),
                Factor::Memory => room.fit(Size { memory_bytes: 0, ..size }),
                Factor::Cpu => room.fit(Size { cpu_milli: 0, ..size }),
            });
            relaxed.fold(0, i64::saturating_add)
        };
        let factors = [Factor::Cpu, Factor::Memory, Factor::Pods];
        factors.into_iter().max_by_key(|factor| without(*factor)).unwrap_or(Factor::Pods)
    }
}

impl Room {
    const fn less(self, taken: Self) -> Self {
        Self {
            cpu_milli: at_least_0(self.cpu_milli.saturating_sub(taken.cpu_milli)),
            memory_bytes: at_least_0(self.memory_bytes.saturating_sub(taken.memory_bytes)),
            pods: at_least_0(self.pods.saturating_sub(taken.pods)),
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            pods: self.pods.saturating_add(other.pods),
        }
    }

    /// How many pods of this size fit here.
    pub fn fit(self, size: Size) -> i64 {
        let by = |left: i64, each: i64| left.checked_div(each.max(0)).unwrap_or(i64::MAX);
        by(self.cpu_milli, size.cpu_milli).min(by(self.memory_bytes, size.memory_bytes)).min(self.pods)
    }
}

const fn at_least_0(number: i64) -> i64 {
    if number < 0 { 0 } else { number }
}

/// Why the node takes no ordinary pods.
fn refuses(node: &NodeRow) -> Option<String> {
    if node.ready() != Some(true) {
        return Some("not ready".to_owned());
    }
    if node.cordoned {
        return Some("cordoned".to_owned());
    }
    let taint =
        node.taints.iter().find(|taint| taint.effect == "NoSchedule" || taint.effect == "NoExecute")?;
    Some(format!("taint {}:{}", taint.key, taint.effect))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places pods one by one until none fits.
    fn simulate(mut rooms: Vec<Room>, size: Size) -> i64 {
        let mut placed = 0;
        while let Some(room) = rooms.iter_mut().find(|room| {
            room.pods >= 1 && room.cpu_milli >= size.cpu_milli && room.memory_bytes >= size.memory_bytes
        }) {
            room.pods -= 1;
            room.cpu_milli -= size.cpu_milli;
            room.memory_bytes -= size.memory_bytes;
            placed += 1;
        }
        placed
    }

    #[test]
    fn the_sum_equals_a_placement_one_by_one() {
        let mut seed = 1_u64;
        let mut roll = |sides: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from(seed >> 33).unwrap() % sides
        };
        for _ in 0..300 {
            let nodes = roll(8);
            let room = |roll: &mut dyn FnMut(i64) -> i64| Room {
                cpu_milli: roll(8_000),
                memory_bytes: roll(9_000),
                pods: roll(40),
            };
            let list: Vec<Room> = (0..nodes).map(|_| room(&mut roll)).collect();
            let rooms = Rooms { rooms: list.clone(), ..Rooms::default() };
            let size = Size { cpu_milli: roll(900), memory_bytes: roll(900) };
            assert_eq!(rooms.fit(size), simulate(list, size), "{rooms:?} {size:?}");
        }
    }

    #[test]
    fn room_that_is_scattered_is_not_room() {
        let rooms = Rooms {
            rooms: vec![Room { cpu_milli: 300, memory_bytes: 1_000, pods: 10 }; 4],
            ..Rooms::default()
        };
        assert_eq!(rooms.left().cpu_milli, 1_200);
        assert_eq!(rooms.fit(Size { cpu_milli: 400, memory_bytes: 1 }), 0);
        assert_eq!(rooms.limiting(Size { cpu_milli: 400, memory_bytes: 1 }), Factor::Cpu);
        assert_eq!(rooms.limiting(Size { cpu_milli: 1, memory_bytes: 600 }), Factor::Memory);
        assert_eq!(rooms.limiting(Size { cpu_milli: 1, memory_bytes: 1 }), Factor::Pods);
        assert_eq!(rooms.fit(Size::default()), 40);
    }
}
