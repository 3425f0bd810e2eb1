//! The schema registry: schemas by id, and ids of our schemas. Both are for ever, so both are cached.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::schema::Name;
use schema_registry_converter::blocking::schema_registry::{SrSettings, get_schema_by_id, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};

use crate::schemas::{WireSchema, canonical_form, fingerprint_of};

/// How long an answer is waited for. Inputs wait as long.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What a writer's schema is to us.
#[derive(Debug)]
pub(crate) struct WriterSchema {
    /// In canonical form: a reader has no use for another's logical types, a UUID is a string like any other.
    pub schema: Schema,
    /// If it is that of ours, the bytes are as we write them.
    pub fingerprint: [u8; 8],
}

impl WriterSchema {
    /// None for one that contains itself: its records may be nested as deeply as they are long, and reading one would
    /// take more stack than there is.
    pub fn new(schema: &Schema) -> Option<Self> {
        let canonical = Schema::parse_str(&canonical_form(schema)).ok()?;
        let recurs = contains_itself(&canonical, &mut Vec::new());
        (!recurs).then(|| Self { fingerprint: fingerprint_of(schema), schema: canonical })
    }
}

/// Whether a record refers to one of those around it.
fn contains_itself<'a>(schema: &'a Schema, around: &mut Vec<&'a Name>) -> bool {
    match schema {
        Schema::Record(record) => {
            around.push(&record.name);
            let found = record.fields.iter().any(|field| contains_itself(&field.schema, around));
            around.pop();
            found
        }
        Schema::Array(array) => contains_itself(&array.items, around),
        Schema::Map(map) => contains_itself(&map.types, around),
        Schema::Union(union) => union.variants().iter().any(|variant| contains_itself(variant, around)),
        Schema::Ref { name } => around.contains(&name),
        _ => false,
    }
}

/// The registry did not say.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It answered that there is no such schema, or with one that is none.
    #[error("the schema registry has no usable schema of id {0}")]
    NoSchema(u32),
    /// It did not answer, or not well: ask again later.
    #[error("the schema registry does not answer: {0}")]
    Unavailable(String),
}

/// A client of a Confluent schema registry. Its calls block, so it must not be used on an asynchronous runtime.
#[derive(Debug)]
pub struct Registry {
    settings: SrSettings,
    by_id: Mutex<HashMap<u32, Option<Arc<WriterSchema>>>>,
    ids: Mutex<HashMap<(String, &'static str), u32>>,
}

impl Registry {
    /// A client of the registry at a URL.
    ///
    /// # Errors
    /// When no HTTP client can be made for it.
    pub fn new(url: &str) -> Result<Self, RegistryError> {
        let mut builder = SrSettings::new_builder(url.trim_end_matches('/').to_owned());
        let settings = builder.set_timeout(TIMEOUT).build().map_err(|error| unavailable(&error))?;
        Ok(Self { settings, by_id: Mutex::default(), ids: Mutex::default() })
    }

    pub(crate) fn schema(&self, id: u32) -> Result<Arc<WriterSchema>, RegistryError> {
        let known = self.by_id.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(known) = known {
            return known.ok_or(RegistryError::NoSchema(id));
        }
        let schema = match get_schema_by_id(id, &self.settings) {
            Ok(registered) if registered.schema_type == SchemaType::Avro => Schema::parse_str(&registered.schema).ok(),
            Ok(_) => None,
            // An id that is not there may be there tomorrow, so this is not cached.
            Err(error) if is_missing(&error) => return Err(RegistryError::NoSchema(id)),
            Err(error) => return Err(unavailable(&error)),
        };
        let schema = schema.as_ref().and_then(WriterSchema::new).map(Arc::new);
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner).insert(id, schema.clone());
        schema.ok_or(RegistryError::NoSchema(id))
    }

    /// The id of one of our schemas under the subject of a topic's values; registers it where it is not.
    ///
    /// # Errors
    /// When the registry does not answer, or refuses the schema.
    pub fn id_of(&self, topic: &str, schema: &WireSchema) -> Result<u32, RegistryError> {
        let key = (topic.to_owned(), schema.name);
        if let Some(id) = self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(*id);
        }
        let supplied = SuppliedSchema::new(Some(schema.name.to_owned()), SchemaType::Avro, schema.text.to_owned());
        let registered =
            post_schema(&self.settings, format!("{topic}-value"), supplied).map_err(|error| unavailable(&error))?;
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(key, registered.id);
        Ok(registered.id)
    }
}

fn is_missing(error: &SRCError) -> bool {
    error.error.starts_with("HTTP request to schema registry failed with status 404")
}

fn unavailable(error: &SRCError) -> RegistryError {
    RegistryError::Unavailable(match &error.cause {
        Some(cause) => format!("{}: {cause}", error.error),
        None => error.error.clone(),
    })
}
