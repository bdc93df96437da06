"""What CloudWatch, SNS and EventBridge do for the operations app, as far as the twin can know it."""
