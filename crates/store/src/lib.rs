//! The identity graph on disk: RocksDB, one column family per shard
