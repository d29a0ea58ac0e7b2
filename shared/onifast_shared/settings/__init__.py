"""The settings by subject: each module holds the fields of one; `onifast_shared.config` puts them together."""
