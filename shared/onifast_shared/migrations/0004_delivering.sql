-- What delivering needs beyond a queue. Each part of it has its section.

-- Fairness: lanes of senders and domains -----------------------------------------------------------------------------

-- Lifecycle: notices, suppressions, hold rules, undo ------------------------------------------------------------------

-- Transport: routes, TLS policies and reports -------------------------------------------------------------------------

-- Signing: selectors --------------------------------------------------------------------------------------------------

-- Explaining: attempts, webhooks --------------------------------------------------------------------------------------

-- Sign-in: SCRAM verifiers --------------------------------------------------------------------------------------------
