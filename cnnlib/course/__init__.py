"""What teaching needs: claims, exercises, bugs, assignments and grading; and a folder for each chapter."""
