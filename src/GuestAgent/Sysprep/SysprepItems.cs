using System.Text;

namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>
/// What a template must not have when it becomes an image: identities, of which there may be one each, secrets, and traces of its
/// making. After the operations of virt-sysprep(1) and systemd's "Building Images Safely".
/// </summary>
internal static class SysprepItems
{
    /// <summary>Name of what belongs to the agent that runs.</summary>
    public const string AgentState = "agent-state";

    private static SysprepItem[]? s_all;

    /// <summary>All of them, in the order in which they are removed.</summary>
    public static SysprepItem[] All => s_all ??= Parse(Encoding.UTF8.GetString(List));

    // A line each: whether it is removed without being asked for (!), its name, what it is, and its places (SysprepItem); ~ stands for the home folders
    // of all users. As text, for the agent's size.
    //
    // The machine-id becomes empty and not "uninitialized", which makes the next boot a first one (machine-id(5)): systemd would switch units on and
    // off by its presets then, against what the template's owner has set. A file that is not there asks for that, and stays so.
    // The journal's folders have the machine-id as their name; other programs' folders of logs are expected, with their owners.
    private static ReadOnlySpan<byte> List => """
        !machine-id|the machine's id; the next boot makes another one|=etc/machine-id ?var/lib/dbus/machine-id
        !ssh-hostkeys|SSH host keys, which cloud-init or ssh-keygen -A makes again|-etc/ssh/ssh_host_* -etc/dropbear/dropbear_*_host_key
        !random-seed|seeds of random numbers, and the key of systemd-creds|-var/lib/systemd/random-seed -var/lib/systemd/credential.secret -var/lib/urandom/random-seed -var/lib/random-seed -var/lib/seedrng -boot/loader/random-seed -boot/efi/loader/random-seed -efi/loader/random-seed
        !dhcp|leases and identities of DHCP clients|-var/lib/dhcp/*.lease* -var/lib/dhclient/*.lease* -var/lib/dhcpcd/* -etc/dhcpcd.duid -var/lib/systemd/network/* -var/lib/NetworkManager/*.lease -var/lib/NetworkManager/secret_key -var/lib/NetworkManager/seen-bssids -var/lib/NetworkManager/timestamps
        !cloud-init|what cloud-init knows of the instance; its seed folder stays|-var/lib/cloud/instance -var/lib/cloud/instances -var/lib/cloud/data -var/lib/cloud/sem -etc/netplan/50-cloud-init.yaml -etc/network/interfaces.d/50-cloud-init*
        !udev-net|names of network interfaces by their address|-etc/udev/rules.d/70-persistent-net.rules
        !token|this agent's token for a user network|-etc/channel-agent/token
        !agent-state|what a former agent has left in /run|+run/channel-agent
        !histories|what shells and their like remember of users|-~/.*_history -~/.lesshst -~/.viminfo -~/.wget-hsts
        !known-hosts|which SSH servers users have met|-~/.ssh/known_hosts*
        !passwd-backups|former versions of the tables of users|-etc/passwd- -etc/shadow- -etc/group- -etc/gshadow- -etc/subuid- -etc/subgid-
        !crashes|memory of programs that crashed|+var/crash +var/lib/systemd/coredump
        !mail|users' mail|+var/mail +var/spool/mail
        !tmp|temporary files|+tmp +var/tmp
        !logs|logs, the journal and records of logins|+var/log/journal %var/log
        authorized-keys|SSH keys that users may log in with|-~/.ssh/authorized_keys*
        user-keys|users' own SSH keys|-~/.ssh/id_*
        hostname|the host name|-etc/hostname
        storage-names|this machine's names for iSCSI and NVMe|-etc/iscsi/initiatorname.iscsi -etc/nvme/hostnqn -etc/nvme/hostid
        packages|lists and caches of apt, dnf and yum|%var/lib/apt/lists %var/cache/apt +var/cache/dnf +var/cache/yum
        cron|users' jobs for cron and at|%var/spool/cron %var/spool/at
        """u8;

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

    private static SysprepItem[] Parse(string list)
    {
        var lines = list.Split('\n');
        var items = new SysprepItem[lines.Length];
        for (var i = 0; i < lines.Length; i++)
        {
            var parts = lines[i].Split('|');
            var isDefault = parts[0].StartsWith('!');
            var places = parts[2].Contains('~') ? $"{parts[2].Replace("~", "root")} {parts[2].Replace("~", "home/*")}" : parts[2];
            items[i] = new SysprepItem(isDefault ? parts[0][1..] : parts[0], parts[1], isDefault, places.Split(' '));
        }

        return items;
    }
}
