"""What services tell each other, held to contracts/.

`asyncapi-3.0.0.json` is the schema of AsyncAPI documents, version 3.0.0, of the AsyncAPI Initiative (asyncapi/spec-json-schemas,
Apache License 2.0), unchanged but for white space.
"""
