//! A look at a node from outside.

use quell_domain::Identifier;

use crate::edge::Edge;
use crate::encoding::Vocabulary;
use crate::neighbourhood::Neighbourhood;
use crate::node::Node;
use crate::overlay::Overlay;
use crate::rows::{ReadError, Rows};

/// A node, and as many of its edges as were asked for.
#[derive(Clone, Debug)]
pub struct Look {
    /// The node. Its `edges` say nothing here.
    pub node: Node,
    /// Its edges, in the order of the neighbours; those that no longer hold, too.
    pub edges: Vec<(Identifier, Edge)>,
    /// How many more edges there are than `edges` shows.
    pub edges_left_out: usize,
}

/// None if nothing was ever heard of the identifier.
pub(crate) fn look<R: Rows>(
    me: &Identifier,
    node: &mut Node,
    rows: &mut Overlay<R>,
    vocabulary: &Vocabulary,
    edges_max: usize,
) -> Result<Option<Look>, ReadError> {
    let (mut edges, mut edges_left_out) = (Vec::new(), 0);
    Neighbourhood { me, edges: &mut node.edges, rows, vocabulary }.each(|neighbour, edge| {
        if edges.len() < edges_max {
            edges.push((neighbour.clone(), edge.clone()));
        } else {
            edges_left_out += 1;
        }
    })?;
    let unheard_of = edges.is_empty() && edges_left_out == 0 && node.own.is_empty() && node.version == 0;
    Ok((!unheard_of).then(|| Look { node: node.clone(), edges, edges_left_out }))
}
