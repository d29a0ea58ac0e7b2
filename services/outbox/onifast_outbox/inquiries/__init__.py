"""Answers people who ask what would become of mail to an address if it were sent now.

Nothing is sent, and no mail server is connected to: `knowledge` collects what the database, the DNS and the keys say,
`findings` puts it into words, `respondent` does so for each row of `inquiries`.
"""
