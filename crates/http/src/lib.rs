//! Health, metrics and reads of identifiers over HTTP
