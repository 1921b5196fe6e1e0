"""Measures: requests over HTTP/1.1 and the sample of what came back. Knows nothing of meshes and of judging."""
