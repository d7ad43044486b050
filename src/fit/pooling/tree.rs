//! The hierarchy: which node is whose child. Knows no numbers.

use super::PoolError;

/// A rooted tree; levels are depths, the root's is zero.
///
/// A node that skips levels (a region without a parent region) gets a parent of its own in
/// between: a node with one child and no evidence changes nothing but the covariance that it adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    parents: Vec<Option<usize>>,
    depths: Vec<usize>,
    /// Parents before children, then by index.
    order: Vec<usize>,
    children: Vec<Vec<usize>>,
}

impl Tree {
    /// From the index of each node's parent, `None` for the one root.
    ///
    /// # Errors
    ///
    /// Where there is not exactly one root, an index is out of range, or there is a cycle.
    pub fn new(parents: &[Option<usize>]) -> Result<Self, PoolError> {
        let n = parents.len();
        let mut children = vec![Vec::new(); n];
        let mut order = Vec::with_capacity(n);
        for (node, parent) in parents.iter().enumerate() {
            match *parent {
                None => order.push(node),
                Some(parent) if parent < n => children[parent].push(node),
                Some(_) => return Err(PoolError::NotATree { node }),
            }
        }
        if order.len() != 1 {
            return Err(PoolError::Roots { n_roots: order.len() });
        }
        let mut depths = vec![usize::MAX; n];
        depths[order[0]] = 0;
        let mut next = 0;
        while let Some(&node) = order.get(next) {
            for &child in &children[node] {
                depths[child] = depths[node] + 1;
                order.push(child);
            }
            next += 1;
        }
        if let Some(node) = depths.iter().position(|&depth| depth == usize::MAX) {
            return Err(PoolError::NotATree { node });
        }
        Ok(Self { parents: parents.to_vec(), depths, order, children })
    }

    /// Number of nodes.
    #[must_use]
    pub fn n_nodes(&self) -> usize {
        self.parents.len()
    }

    /// Number of levels below the root: as many covariances there are.
    #[must_use]
    pub fn n_levels(&self) -> usize {
        self.order.last().map_or(0, |&last| self.depths[last])
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> usize {
        self.order[0]
    }

    /// Parent of a node; `None` for the root.
    #[must_use]
    pub fn parent(&self, node: usize) -> Option<usize> {
        self.parents[node]
    }

    /// Depth of a node.
    #[must_use]
    pub fn depth(&self, node: usize) -> usize {
        self.depths[node]
    }

    /// Children of a node, by index.
    #[must_use]
    pub fn children(&self, node: usize) -> &[usize] {
        &self.children[node]
    }

    /// All nodes, parents before children.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// All nodes but the root with their parents, parents before children.
    pub(super) fn edges(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> + '_ {
        self.order.iter().filter_map(|&node| Some((node, self.parents[node]?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_depths() {
        let tree = Tree::new(&[Some(2), Some(3), None, Some(2), Some(3)]).unwrap();
        assert_eq!((tree.root(), tree.n_levels(), tree.n_nodes()), (2, 2, 5));
        assert_eq!(tree.order(), [2, 0, 3, 1, 4]);
        assert_eq!(tree.children(3), [1, 4]);
        assert_eq!((tree.depth(0), tree.depth(4), tree.parent(4)), (1, 2, Some(3)));
        assert_eq!(Tree::new(&[None]).unwrap().n_levels(), 0);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let check = |parents: &[Option<usize>], expected| {
            assert_eq!(Tree::new(parents).unwrap_err(), expected);
        };
        check(&[], PoolError::Roots { n_roots: 0 });
        check(&[None, None], PoolError::Roots { n_roots: 2 });
        check(&[None, Some(7)], PoolError::NotATree { node: 1 });
        check(&[None, Some(2), Some(1)], PoolError::NotATree { node: 1 });
        check(&[Some(0)], PoolError::Roots { n_roots: 0 });
    }
}
