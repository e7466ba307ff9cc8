"""An AWS on loopback: requests are read and answers written by botocore's own service models, states change with time."""
