"""The AWS stack, and what a local server has to know of it; never imported by a Lambda function."""
