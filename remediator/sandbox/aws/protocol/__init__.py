"""AWS's wire protocols from the servers' side: requests in, answers and errors out, as the models say."""
