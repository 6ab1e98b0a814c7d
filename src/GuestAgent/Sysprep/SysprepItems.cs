namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>
/// What a template must not have when it becomes an image: identities, of which there may be one each, secrets, and traces of its
/// making. After the operations of virt-sysprep(1) and systemd's "Building Images Safely".
/// </summary>
internal static class SysprepItems
{
    /// <summary>All of them, in the order in which they are removed.</summary>
    public static IReadOnlyList<SysprepItem> All { get; } =
    [
        // Empty and not "uninitialized", which makes the next boot a first one (machine-id(5)): systemd would switch units on and off by its
        // presets then, against what the template's owner has set. A file that is not there asks for that, and stays so.
        new("machine-id", "the machine's id; the next boot makes another one", true,
            Empty("etc/machine-id"), RemoveRegular("var/lib/dbus/machine-id")),
        new("ssh-hostkeys", "SSH host keys, which cloud-init or ssh-keygen -A makes again", true,
            Remove("etc/ssh/ssh_host_*"), Remove("etc/dropbear/dropbear_*_host_key")),
        new("random-seed", "seeds of random numbers, and the key of systemd-creds", true,
            Remove("var/lib/systemd/random-seed"), Remove("var/lib/systemd/credential.secret"), Remove("var/lib/urandom/random-seed"),
            Remove("var/lib/random-seed"), Remove("var/lib/seedrng"), Remove("boot/loader/random-seed"), Remove("boot/efi/loader/random-seed"),
            Remove("efi/loader/random-seed")),
        new("dhcp", "leases and identities of DHCP clients", true,
            Remove("var/lib/dhcp/*.lease*"), Remove("var/lib/dhclient/*.lease*"), Remove("var/lib/dhcpcd/*"), Remove("etc/dhcpcd.duid"),
            Remove("var/lib/systemd/network/*"), Remove("var/lib/NetworkManager/*.lease"), Remove("var/lib/NetworkManager/secret_key"),
            Remove("var/lib/NetworkManager/seen-bssids"), Remove("var/lib/NetworkManager/timestamps")),
        new("cloud-init", "what cloud-init knows of the instance; its seed folder stays", true,
            Remove("var/lib/cloud/instance"), Remove("var/lib/cloud/instances"), Remove("var/lib/cloud/data"), Remove("var/lib/cloud/sem"),
            Remove("etc/netplan/50-cloud-init.yaml"), Remove("etc/network/interfaces.d/50-cloud-init*")),
        new("udev-net", "names of network interfaces by their address", true, Remove("etc/udev/rules.d/70-persistent-net.rules")),
        new("token", "this agent's token for a user network", true, Remove("etc/channel-agent/token")),
        new("agent-state", "what a former agent has left in /run", true, RemoveContent("run/channel-agent")) { IsOfRunningSystem = true },
        new("histories", "what shells and their like remember of users", true,
            [.. OfUsers(".bash_history"), .. OfUsers(".zsh_history"), .. OfUsers(".ash_history"), .. OfUsers(".sh_history"), .. OfUsers(".python_history"),
            .. OfUsers(".mysql_history"), .. OfUsers(".psql_history"), .. OfUsers(".sqlite_history"), .. OfUsers(".lesshst"), .. OfUsers(".viminfo"),
            .. OfUsers(".wget-hsts")]),
        new("known-hosts", "which SSH servers users have met", true, [.. OfUsers(".ssh/known_hosts*")]),
        new("passwd-backups", "former versions of the tables of users", true,
            Remove("etc/passwd-"), Remove("etc/shadow-"), Remove("etc/group-"), Remove("etc/gshadow-"), Remove("etc/subuid-"), Remove("etc/subgid-")),
        new("crashes", "memory of programs that crashed", true, RemoveContent("var/crash"), RemoveContent("var/lib/systemd/coredump")),
        new("mail", "users' mail", true, RemoveContent("var/mail"), RemoveContent("var/spool/mail")),
        new("tmp", "temporary files", true, RemoveContent("tmp"), RemoveContent("var/tmp")),
        new("logs", "logs, the journal and records of logins", true, RemoveContent("var/log/journal"), RemoveFiles("var/log", except: "journal")),
        new("authorized-keys", "SSH keys that users may log in with", false, [.. OfUsers(".ssh/authorized_keys*")]),
        new("user-keys", "users' own SSH keys", false, [.. OfUsers(".ssh/id_*")]),
        new("hostname", "the host name", false, Remove("etc/hostname")),
        new("storage-names", "this machine's names for iSCSI and NVMe", false,
            Remove("etc/iscsi/initiatorname.iscsi"), Remove("etc/nvme/hostnqn"), Remove("etc/nvme/hostid")),
        new("packages", "lists and caches of apt, dnf and yum", false,
            RemoveFiles("var/lib/apt/lists"), RemoveFiles("var/cache/apt"), RemoveContent("var/cache/dnf"), RemoveContent("var/cache/yum")),
        new("cron", "users' jobs for cron and at", false, RemoveFiles("var/spool/cron"), RemoveFiles("var/spool/at")),
    ];

    /// <summary>The item of a name, or null.</summary>
    public static SysprepItem? Find(string name)
    {
        foreach (var item in All)
        {
            if (item.Name == name)
            {
                return item;
            }
        }

        return null;
    }

    private static SysprepPlace Remove(string pattern) => new(SysprepAction.Remove, pattern);

    private static SysprepPlace RemoveRegular(string pattern) => new(SysprepAction.RemoveRegular, pattern);

    private static SysprepPlace RemoveContent(string pattern) => new(SysprepAction.RemoveContent, pattern);

    private static SysprepPlace RemoveFiles(string pattern, string except = "") => new(SysprepAction.RemoveFiles, pattern, except);

    private static SysprepPlace Empty(string pattern) => new(SysprepAction.Empty, pattern);

    private static SysprepPlace[] OfUsers(string pattern) => [Remove($"root/{pattern}"), Remove($"home/*/{pattern}")];
}
