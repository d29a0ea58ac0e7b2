<?php

/**
 * A panel's side of onifast-mail, in one file of PHP 7.4 or later without dependencies: copy it into your panel.
 *
 *     require 'OnifastMail.php';
 *     $mail = new OnifastMail();  // http://127.0.0.1:4031, with the token of /home/root/onifast/config/panel.token
 *     $mail->addAddress('info@shop.test', 'demo');
 *     header('Location: ' . $mail->signOnUrl('demo', 'https://panel.shop.test/mail'));
 *
 * Each method is one call of the HTTP API, or a list of them page by page, and gives what docs/panel.md and
 * /api/openapi.json describe. What the server refuses is thrown as OnifastMailError.
 */

/** A call that was not carried out. The code is HTTP's status (0: no answer), $fields says what is wrong with which. */
class OnifastMailError extends RuntimeException
{
    /** @var array<string, string> */
    public array $fields;

    public function __construct(int $status, string $detail, array $fields = [])
    {
        parent::__construct($detail, $status);
        $this->fields = $fields;
    }
}

/** The mail server, for a panel that holds its service token. */
class OnifastMail
{
    public const TOKEN_FILE = '/home/root/onifast/config/panel.token';
    public const SSO_DIRECTORY = '/home/root/onifast/sso';
    private const PAGE = 200;

    private string $server;
    private string $token;
    private float $timeout;

    /** Without a token it is read from the file; the timeout is in seconds. */
    public function __construct(
        string $server = 'http://127.0.0.1:4031',
        ?string $token = null,
        string $tokenFile = self::TOKEN_FILE,
        float $timeout = 30.0
    ) {
        $this->server = rtrim($server, '/');
        $this->timeout = $timeout;
        if ($token === null) {
            $content = @file_get_contents($tokenFile);
            if ($content === false) {
                throw new OnifastMailError(0, "The token file $tokenFile cannot be read.");
            }
            $token = trim($content);
        }
        $this->token = $token;
    }

    // Single sign-on

    /**
     * Where to send a user's browser, within a minute, once. $publicUrl is where browsers find the webmail, $page a
     * page to go on to, such as /folders/inbox.
     */
    public function signOnUrl(string $username, string $publicUrl, string $page = ''): string
    {
        $token = $this->call('POST', '/api/panel/sso-token', [], ['username' => $username])['token'];
        return self::urlOf($token, $publicUrl, $page);
    }

    /** The same without a call and without a service token, for a panel that owns the directory (root does). */
    public static function signOnUrlByFile(
        string $username,
        string $publicUrl,
        string $page = '',
        string $directory = self::SSO_DIRECTORY
    ): string {
        $token = bin2hex(random_bytes(32));
        $name = hash('sha256', $token);
        $unfinished = "$directory/.$name";
        $content = json_encode(['username' => $username, 'token_sha256' => $name]);
        $file = @fopen($unfinished, 'x');
        $written = $file !== false
            && chgrp($unfinished, filegroup($directory))
            && chmod($unfinished, 0640)
            && fwrite($file, $content) === strlen($content)
            && fclose($file)
            && rename($unfinished, "$directory/$name");
        if (!$written) {
            throw new OnifastMailError(0, "A single sign-on file cannot be written into $directory.");
        }
        return self::urlOf($token, $publicUrl, $page);
    }

    private static function urlOf(string $token, string $publicUrl, string $page): string
    {
        $query = ['token' => $token] + ($page === '' ? [] : ['next' => $page]);
        return rtrim($publicUrl, '/') . '/sso-login?' . http_build_query($query);
    }

    // Users

    /** All users with their state; the filters are state and q. */
    public function users(array $filters = []): iterable
    {
        return $this->all('/api/panel/users', 'users', $filters);
    }

    /**
     * Whether that is the password of a user or mailbox user who may log in ('matches'), and of whom ('username',
     * 'owner', 'second_factor'). $client is the address of who typed it; too many wrong ones are thrown as 429.
     */
    public function checkPassword(string $username, string $password, ?string $client = null): array
    {
        $body = ['username' => $username, 'password' => $password] + ($client === null ? [] : ['client' => $client]);
        return $this->call('POST', '/api/panel/password-check', [], $body);
    }

    /** Writes a new user's file, where the setting writes_users lets us. Without a password, 'password' is one made here. */
    public function addUser(string $username, ?string $password = null): array
    {
        return $this->call('POST', '/api/panel/users', [], ['username' => $username] + self::passwordOf($password));
    }

    /** Gives a user another password, where the setting writes_users lets us. */
    public function setUserPassword(string $username, ?string $password = null): array
    {
        return $this->call('PATCH', '/api/panel/users', [], ['username' => $username] + self::passwordOf($password));
    }

    private static function passwordOf(?string $password): array
    {
        return $password === null ? ['generate_password' => true] : ['password' => $password];
    }

    /**
     * Sets aside all that is a user's. Delete their file first, or, where writes_users lets us, have it deleted
     * ($withFile); the name is free once 'done' is true.
     */
    public function removeUser(string $username, bool $withFile = false): array
    {
        $body = ['username' => $username] + ($withFile ? ['file' => true] : []);
        return $this->call('POST', '/api/panel/users/remove', [], $body);
    }

    /** Gives back what was set aside. */
    public function restoreUser(string $username): array
    {
        return $this->call('POST', '/api/panel/users/restore', [], ['username' => $username]);
    }

    /** Gives all that is a user's to their new name. Rename their file afterwards. */
    public function renameUser(string $username, string $newName): array
    {
        $body = ['username' => $username, 'new_name' => $newName];
        return $this->call('POST', '/api/panel/users/rename', [], $body);
    }

    // Addresses and domains

    /** All addresses; the filters are owner, domain and q. */
    public function addresses(array $filters = []): iterable
    {
        return $this->all('/api/mail/addresses', 'addresses', $filters);
    }

    /** Gives a new address to a user. */
    public function addAddress(string $address, string $owner): array
    {
        return $this->call('POST', '/api/mail/addresses', [], ['address' => $address, 'owner' => $owner]);
    }

    /** Gives an address another 'owner', or 'quota' in octets (0: no limit, null: the setting's). */
    public function changeAddress(string $address, array $changes): array
    {
        return $this->call('PATCH', '/api/mail/addresses', [], ['address' => $address] + $changes);
    }

    /** Takes an address away; its mail stays. */
    public function removeAddress(string $address): void
    {
        $this->call('DELETE', '/api/mail/addresses', ['address' => $address]);
    }

    /** All domains; the filters are owner and q. */
    public function domains(array $filters = []): iterable
    {
        return $this->all('/api/mail/domains', 'domains', $filters);
    }

    /** Makes a domain this server's. */
    public function addDomain(string $domain, string $owner): array
    {
        return $this->call('POST', '/api/mail/domains', [], ['domain' => $domain, 'owner' => $owner]);
    }

    /** Gives a domain another owner. */
    public function changeDomain(string $domain, string $owner): array
    {
        return $this->call('PATCH', '/api/mail/domains', [], ['domain' => $domain, 'owner' => $owner]);
    }

    /** What DNS should have for a domain's mail, and has: 'is_ready', and of each of 'records' what to publish. */
    public function domainDns(string $domain): array
    {
        return $this->call('GET', '/api/mail/domains/dns', ['domain' => $domain]);
    }

    /** Takes a domain away; one that has addresses only with them. */
    public function removeDomain(string $domain, bool $withAddresses = false): void
    {
        $query = ['domain' => $domain, 'addresses' => $withAddresses ? 'true' : 'false'];
        $this->call('DELETE', '/api/mail/domains', $query);
    }

    // Mailbox users and shared mailboxes

    /** All mailbox users; the filters are owner, domain and q. */
    public function mailboxUsers(array $filters = []): iterable
    {
        return $this->all('/api/mail/mailbox-users', 'mailbox_users', $filters);
    }

    /**
     * Makes an address a mailbox user. Without a password, 'password' is one made here; $more may hold move_mail.
     */
    public function addMailboxUser(string $address, ?string $password = null, array $more = []): array
    {
        $body = ['address' => $address] + self::passwordOf($password) + $more;
        return $this->call('POST', '/api/mail/mailbox-users', [], $body);
    }

    /** Changes password (or generate_password, no_password), disabled, quota, send_as, messages_per_day and so on. */
    public function changeMailboxUser(string $address, array $changes): array
    {
        return $this->call('PATCH', '/api/mail/mailbox-users', [], ['address' => $address] + $changes);
    }

    /** Ends a mailbox user; their mail goes to the panel user ('owner'), or is deleted for good ('delete'). */
    public function removeMailboxUser(string $address, string $mail): void
    {
        $this->call('DELETE', '/api/mail/mailbox-users', ['address' => $address, 'mail' => $mail]);
    }

    /** All shared mailboxes; the filters are owner, domain and q. */
    public function sharedMailboxes(array $filters = []): iterable
    {
        return $this->all('/api/mail/shared-mailboxes', 'shared_mailboxes', $filters);
    }

    /** Makes an address a shared mailbox of these members: the panel user by name, mailbox users by address. */
    public function addSharedMailbox(string $address, array $members, bool $namesSender = false): array
    {
        $body = ['address' => $address, 'members' => array_values($members), 'names_sender' => $namesSender];
        return $this->call('POST', '/api/mail/shared-mailboxes', [], $body);
    }

    /** Changes members or names_sender. */
    public function changeSharedMailbox(string $address, array $changes): array
    {
        return $this->call('PATCH', '/api/mail/shared-mailboxes', [], ['address' => $address] + $changes);
    }

    /** Ends a shared mailbox; its mail goes to the panel user ('owner'), or is deleted for good ('delete'). */
    public function removeSharedMailbox(string $address, string $mail): void
    {
        $this->call('DELETE', '/api/mail/shared-mailboxes', ['address' => $address, 'mail' => $mail]);
    }

    // Quotas, counts, queue, usage

    /** What all mail of a user may take, in octets (0: no limit, null: the setting's). */
    public function setUserQuota(string $username, ?int $octets): array
    {
        $body = ['scope' => 'owner', 'name' => $username, 'bytes' => $octets];
        return $this->call('POST', '/api/mail/quotas', [], $body);
    }

    /** How many messages, and unread ones, each of a user's folders holds. */
    public function counts(string $username): array
    {
        return $this->call('GET', '/api/mail/counts', [], null, $username);
    }

    /** What is sent, of a user or of all; the filters are status and q. */
    public function queue(?string $username = null, array $filters = []): iterable
    {
        return $this->all('/api/mail/outbox', 'outbox', $filters, $username);
    }

    /** 'retry', 'cancel', 'hold' or 'release' entries. */
    public function actOnQueue(array $ids, string $action): array
    {
        return $this->call('POST', '/api/mail/outbox', [], ['ids' => array_values($ids), 'action' => $action]);
    }

    /** What users, or domains (scope domain), use and may still send; the filters are owner and q. */
    public function usage(string $scope = 'user', array $filters = []): iterable
    {
        return $this->all('/api/mail/usage', 'usage', ['scope' => $scope] + $filters);
    }

    // Any call

    /** One call of the API, for the panel or in the place of $user; throws OnifastMailError. */
    public function call(string $method, string $path, array $query = [], ?array $body = null, ?string $user = null): array
    {
        $headers = ["Authorization: Bearer {$this->token}", 'Accept: application/json', 'Connection: close'];
        if ($body !== null) {
            $headers[] = 'Content-Type: application/json';
        }
        if ($user !== null) {
            if (preg_match('/[\x00-\x1f\x7f]/', $user)) {
                throw new OnifastMailError(0, 'A user name holds no control characters.');
            }
            $headers[] = "X-Onifast-User: $user";
        }
        $options = [
            'method' => $method,
            'header' => $headers,
            'ignore_errors' => true,
            'follow_location' => 0,
            'timeout' => $this->timeout,
            'protocol_version' => 1.1,
        ];
        if ($body !== null) {
            $options['content'] = json_encode($body, JSON_THROW_ON_ERROR);
        }
        $url = $this->server . $path . ($query ? '?' . http_build_query($query, '', '&', PHP_QUERY_RFC3986) : '');
        $stream = @fopen($url, 'rb', false, stream_context_create(['http' => $options]));
        if ($stream === false) {
            throw new OnifastMailError(0, 'The mail server gives no answer.');
        }
        $content = (string) stream_get_contents($stream);
        $status = (int) (explode(' ', stream_get_meta_data($stream)['wrapper_data'][0])[1] ?? 0);
        fclose($stream);
        return self::checked($status, $content);
    }

    private static function checked(int $status, string $content): array
    {
        $found = $content === '' ? [] : json_decode($content, true);
        if (!is_array($found)) {
            throw new OnifastMailError($status, "The answer (status $status) is no JSON; is that the mail server?");
        }
        if ($status < 200 || $status >= 300) {
            $fields = array_column($found['errors'] ?? [], 'message', 'field');
            throw new OnifastMailError($status, $found['detail'] ?? "status $status", $fields);
        }
        return $found;
    }

    private function all(string $path, string $name, array $filters, ?string $user = null): iterable
    {
        $query = ['limit' => self::PAGE] + $filters;
        do {
            $page = $this->call('GET', $path, $query, null, $user);
            foreach ($page[$name] as $row) {
                yield $row;  // with keys that go on from page to page, as `yield from` has them not
            }
            $query['cursor'] = $page['next_cursor'] ?? null;
        } while ($query['cursor'] !== null);
    }
}
