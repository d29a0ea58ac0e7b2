"""The image proxy: images of messages that outbox fetches for readers, so that no sender learns who reads."""
