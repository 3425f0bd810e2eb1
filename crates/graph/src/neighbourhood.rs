//! A node's edges, wherever they are kept.

use quell_domain::{Action, Identifier, Join, Policy, Right, TypeNumber};

use crate::claim::{Claim, claim_for, same_contribution};
use crate::edge::{Edge, Edges, NeighbourCount};
use crate::encoding::{Vocabulary, read_edge, write_edge};
use crate::keys;
use crate::overlay::Overlay;
use crate::rows::{ReadError, Rows};

/// How many edges are read at once from rows.
const SCAN_CHUNK: usize = 512;

/// The edges of one node: one way to them, whether they are inside its row or in rows of their own.
pub(crate) struct Neighbourhood<'a, R> {
    pub me: &'a Identifier,
    pub edges: &'a mut Edges,
    pub rows: &'a mut Overlay<R>,
    pub vocabulary: &'a Vocabulary,
}

impl<R: Rows> Neighbourhood<'_, R> {
    /// What is known of the edge to a neighbour.
    pub fn edge(&self, neighbour: &Identifier) -> Result<Option<Edge>, ReadError> {
        match &*self.edges {
            Edges::Inline(edges) => {
                Ok(place(edges, neighbour).ok().and_then(|at| edges.get(at)).map(|(_, edge)| edge.clone()))
            }
            Edges::Rows(_) => {
                let row = self.rows.get(&keys::edge(self.me, neighbour))?;
                row.map(|row| read_edge(self.vocabulary, &row).map_err(ReadError::from)).transpose()
            }
        }
    }

    /// Writes what is known of the edge to a neighbour; `before` is what was.
    pub fn put(&mut self, neighbour: &Identifier, edge: Edge, before: Option<&Edge>) -> Result<(), ReadError> {
        match self.edges {
            Edges::Inline(edges) => {
                match place(edges, neighbour) {
                    Ok(at) => {
                        if let Some(known) = edges.get_mut(at) {
                            known.1 = edge;
                        }
                    }
                    Err(at) => edges.insert(at, (neighbour.clone(), edge)),
                }
                if edges.len() > Edges::INLINE_MAX {
                    self.move_to_rows();
                }
            }
            Edges::Rows(counts) => {
                count(counts, neighbour, before.is_some_and(Edge::holds), edge.holds());
                self.put_row(neighbour, &edge, before);
            }
        }
        Ok(())
    }

    fn move_to_rows(&mut self) {
        let Edges::Inline(edges) = std::mem::replace(self.edges, Edges::Rows(Vec::new())) else { return };
        let mut counts = Vec::new();
        for (neighbour, edge) in &edges {
            count(&mut counts, neighbour, false, edge.holds());
            self.put_row(neighbour, edge, None);
        }
        *self.edges = Edges::Rows(counts);
    }

    fn put_row(&mut self, neighbour: &Identifier, edge: &Edge, before: Option<&Edge>) {
        let remembered = before.map_or(&[][..], |edge| &edge.remembered);
        if !same_contribution(remembered, &edge.remembered) {
            for (claims, value) in [(remembered, None), (&edge.remembered, Some(Vec::new()))] {
                for claim in claims {
                    let right = self.vocabulary.right_code(claim.right);
                    self.rows.put(keys::memory(self.me, right, claim, neighbour), value.clone());
                }
            }
        }
        self.rows.put(keys::edge(self.me, neighbour), Some(write_edge(self.vocabulary, edge)));
    }

    /// How many neighbours of a type there are.
    pub fn count(&self, policy: &Policy, of: TypeNumber) -> u32 {
        match &*self.edges {
            Edges::Inline(edges) => {
                let counts =
                    |(neighbour, edge): &&(Identifier, Edge)| edge.holds() && policy.type_number(neighbour) == Some(of);
                u32::try_from(edges.iter().filter(counts).count()).unwrap_or(u32::MAX)
            }
            Edges::Rows(counts) => {
                let name = policy.identifier_types().get(usize::from(of.0)).map(|known| known.name.as_str());
                counts.iter().find(|known| Some(known.identifier_type.as_str()) == name).map_or(0, |known| known.count)
            }
        }
    }

    /// Calls for every edge, those that no longer hold included. Every one is read: for what concerns all neighbours.
    pub fn each(&mut self, mut visit: impl FnMut(&Identifier, &Edge)) -> Result<(), ReadError> {
        match &*self.edges {
            Edges::Inline(edges) => edges.iter().for_each(|(neighbour, edge)| visit(neighbour, edge)),
            Edges::Rows(_) => {
                let (mut from, until) = keys::edges(self.me);
                loop {
                    let chunk = self.rows.scan(&from, &until, SCAN_CHUNK)?;
                    for (key, row) in &chunk {
                        let neighbour = keys::neighbour_of_edge(key, self.me).ok_or_else(ReadError::corrupt)?;
                        visit(&neighbour, &read_edge(self.vocabulary, row)?);
                    }
                    match chunk.into_iter().next_back() {
                        Some((last, _)) => from = [last.as_slice(), &[0]].concat(),
                        None => break,
                    }
                }
            }
        }
        Ok(())
    }

    /// Forgets what was said over the edges whose other end is no hub: what a node does that becomes a hub, or ceases
    /// to be one.
    pub fn forget(&mut self) -> Result<(), ReadError> {
        let mut remembering = Vec::new();
        self.each(|neighbour, edge| {
            if !edge.other_is_hub && !edge.remembered.is_empty() {
                remembering.push((neighbour.clone(), edge.clone()));
            }
        })?;
        for (neighbour, before) in remembering {
            let edge = Edge { remembered: crate::claim::silence(), ..before.clone() };
            self.put(&neighbour, edge, Some(&before))?;
        }
        Ok(())
    }

    /// Of all that is remembered for a right, what decides, and the neighbour who said it. One read where the edges are
    /// in rows, however many there are.
    pub fn best_memory(&self, right: Right, join: Join) -> Result<Option<(Identifier, Claim)>, ReadError> {
        let mut best: Option<(Identifier, Claim)> = None;
        let mut offer = |neighbour: &Identifier, claim: &Claim| {
            if best.as_ref().is_none_or(|(_, known)| claim.beats(known, join)) {
                best = Some((neighbour.clone(), claim.clone()));
            }
        };
        match &*self.edges {
            Edges::Inline(edges) => {
                for (neighbour, edge) in edges {
                    if let Some(claim) = claim_for(&edge.remembered, right) {
                        offer(neighbour, claim);
                    }
                }
            }
            Edges::Rows(_) => {
                for action in [Action::OptOut, Action::OptIn] {
                    let (from, until) = keys::memories_of(self.me, self.vocabulary.right_code(right), action);
                    let Some((key, _)) = self.rows.scan(&from, &until, 1)?.into_iter().next() else { continue };
                    let neighbour = keys::neighbour_of_memory(&key, &from).ok_or_else(ReadError::corrupt)?;
                    let edge = self.edge(&neighbour)?.ok_or_else(ReadError::corrupt)?;
                    let claim = claim_for(&edge.remembered, right).ok_or_else(ReadError::corrupt)?;
                    offer(&neighbour, claim);
                }
            }
        }
        Ok(best)
    }
}

fn place(edges: &[(Identifier, Edge)], neighbour: &Identifier) -> Result<usize, usize> {
    edges.binary_search_by(|(known, _)| known.cmp(neighbour))
}

fn count(counts: &mut Vec<NeighbourCount>, neighbour: &Identifier, held: bool, holds: bool) {
    if held == holds {
        return;
    }
    let identifier_type = neighbour.identifier_type();
    let at = counts.iter().position(|known| known.identifier_type == identifier_type).unwrap_or_else(|| {
        counts.push(NeighbourCount { identifier_type: identifier_type.to_owned(), count: 0 });
        counts.len() - 1
    });
    if let Some(known) = counts.get_mut(at) {
        known.count = if holds { known.count + 1 } else { known.count.saturating_sub(1) };
    }
}
