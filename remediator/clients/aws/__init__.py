"""AWS: the only place that knows botocore. Foreign shapes and errors end here."""
