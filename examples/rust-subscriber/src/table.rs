//! What this system has to honour: by identifier, the suppression of the highest version.

use std::collections::BTreeMap;

use crate::formats::Suppression;

/// The rows, by `type:value`.
#[derive(Default)]
pub struct Table {
    rows: BTreeMap<String, Suppression>,
}

impl Table {
    /// Takes a suppression; if what is here is as new, answers with its version. Your own work goes here; return when
    /// it is durable.
    pub fn apply(&mut self, key: &str, suppression: &Suppression) -> Result<(), i64> {
        match self.rows.get(key) {
            Some(row) if suppression.version <= row.version => Err(row.version),
            _ => {
                self.rows.insert(key.to_owned(), suppression.clone());
                Ok(())
            }
        }
    }

    /// Removes a row; false if there was none.
    pub fn forget(&mut self, key: &str) -> bool {
        self.rows.remove(key).is_some()
    }

    /// How many identifiers it knows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&String, &Suppression)> {
        self.rows.iter()
    }
}
