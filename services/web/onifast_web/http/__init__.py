"""HTTP as every view needs it: problems, headers, and where a request comes from."""
