"""Uploads and jobs as the database knows them: every step is one transaction, so none is lost or done twice."""
