using System.Text.Json;
using ChannelSdk.GuestAgent.Tests.Qga;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>What the guest is, as Debian's qemu-ga and our agent tell it, field by field.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class QemuGaTests(QemuGaTests.Rig rig) : IClassFixture<QemuGaTests.Rig>
{
    [Theory]
    [InlineData("guest-get-osinfo")]
    [InlineData("guest-get-host-name")]
    [InlineData("guest-get-timezone")]
    [InlineData("guest-get-users")]
    [InlineData("guest-get-vcpus")]
    [InlineData("guest-get-memory-blocks")]
    [InlineData("guest-get-memory-block-info")]
    [InlineData("guest-get-disks")]
    [InlineData("guest-get-fsinfo")]
    [InlineData("guest-ssh-get-authorized-keys", "{\"username\":\"last\"}")]
    public async Task What_qemu_ga_tells_is_told(string command, string arguments = "{}")
    {
        JsonElement theirs, own;
        string[] missing;
        var rounds = 0;
        do
        {
            // The machine itself moves: what its file systems use, for instance.
            theirs = await rig.Theirs.AskAsync($"{{\"execute\":\"{command}\",\"arguments\":{arguments}}}");
            own = await rig.Own.AskAsync($"{{\"execute\":\"{command}\",\"arguments\":{arguments}}}");
            missing = theirs.TryGetProperty("return", out _) ? [.. Differences("", theirs, own)] : [.. Differences("", own, own)];
        }
        while (missing.Length > 0 && ++rounds < 50);
        Assert.True(missing.Length == 0, $"{string.Join('\n', missing)}\ntheirs {theirs}\nours {own}");
    }

    [Theory]
    [InlineData("guest-get-cpustats")]
    [InlineData("guest-get-diskstats")]
    public async Task Counters_lie_between_two_of_qemu_gas(string command)
    {
        JsonElement before = await rig.Theirs.CallAsync(command), own = await rig.Own.CallAsync(command), after = await rig.Theirs.CallAsync(command);
        Dictionary<string, JsonElement> first = Flat(before), counters = Flat(own), last = Flat(after);
        Assert.Equal(first.Keys.Order(StringComparer.Ordinal), counters.Keys.Order(StringComparer.Ordinal));
        Assert.All(counters.Where(static each => each.Value.ValueKind == JsonValueKind.Number && !each.Key.EndsWith("ios-pgr", StringComparison.Ordinal)),
            each => Assert.InRange(each.Value.GetInt64(), first[each.Key].GetInt64(), last[each.Key].GetInt64()));
    }

    [Fact]
    public async Task A_user_behind_a_long_list_whose_home_is_behind_a_link_gets_keys()
    {
        await rig.Own.CallAsync("guest-ssh-add-authorized-keys", "{\"username\":\"last\",\"keys\":[\"ssh-ed25519 B\"]}");
        Assert.Equal("ssh-ed25519 A\nssh-ed25519 B\n", await File.ReadAllTextAsync($"{rig.Folder}/var/home/last/.ssh/authorized_keys"));
        Assert.Contains("another user's", (await rig.Own.FailAsync("guest-ssh-add-authorized-keys", "{\"username\":\"thief\",\"keys\":[\"ssh-ed25519 C\"]}")).Text, StringComparison.Ordinal);
        await rig.Own.CallAsync("guest-ssh-remove-authorized-keys", "{\"username\":\"last\",\"keys\":[\"ssh-ed25519 B\"]}");
    }

    // Items of lists are the same by what they are called.
    private static IEnumerable<string> Differences(string path, JsonElement theirs, JsonElement own)
    {
        if (theirs.ValueKind == JsonValueKind.Object && own.ValueKind == JsonValueKind.Object)
        {
            return theirs.EnumerateObject().SelectMany(field => own.TryGetProperty(field.Name, out var value)
                ? Differences($"{path}.{field.Name}", field.Value, value) : [$"{path}.{field.Name} is missing"]);
        }

        if (theirs.ValueKind == JsonValueKind.Array && own.ValueKind == JsonValueKind.Array)
        {
            JsonElement[] ours = Sorted(own), others = Sorted(theirs);
            return ours.Length != others.Length ? [$"{path} has {ours.Length} items, not {others.Length}"]
                : others.SelectMany((item, i) => Differences($"{path}[{i}]", item, ours[i]));
        }

        return JsonElement.DeepEquals(theirs, own) ? [] : [$"{path} is {own}, not {theirs}"];
    }

    private static JsonElement[] Sorted(JsonElement list) => [.. list.EnumerateArray().OrderBy(Key, StringComparer.Ordinal)];

    private static string Key(JsonElement item) => item.ValueKind != JsonValueKind.Object ? item.ToString()
        : string.Join(' ', new[] { "mountpoint", "name", "user", "logical-id", "phys-index", "dev" }.Select(name => item.TryGetProperty(name, out var value) ? value.ToString() : ""));

    private static Dictionary<string, JsonElement> Flat(JsonElement list)
    {
        var all = new Dictionary<string, JsonElement>();
        foreach (var item in list.EnumerateArray())
        {
            var name = item.TryGetProperty("name", out var value) || item.TryGetProperty("cpu", out value) ? value.ToString() : "";
            foreach (var field in (item.TryGetProperty("stats", out var stats) ? stats : item).EnumerateObject())
            {
                all.Add($"{name} {field.Name}", field.Value);
            }
        }

        return all;
    }

    /// <summary>Both agents in a guest with a host name, a zone, users, and a disk in a file with a bind mount of it.</summary>
    public sealed class Rig : IAsyncLifetime
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("qga-test-");

        internal string Folder => _folder.FullName;

        internal QgaTestClient Own { get; private set; } = null!;

        internal QgaTestClient Theirs { get; private set; } = null!;

        private AgentProcess Agent { get; set; } = null!;

        public async Task InitializeAsync()
        {
            await File.WriteAllBytesAsync($"{Folder}/utmp", [.. Login(7, "alice", 1_700_000_100), .. Login(7, "alice", 1_700_000_000), .. Login(8, "gone", 1), .. Login(7, "bob", 1_600_000_000)]);
            await File.WriteAllTextAsync($"{Folder}/os-release", "NAME=\"Test \\\"OS\\\"\"\nID=test\nVERSION_ID=1.5\nPRETTY_NAME=\"Test OS\"\nVARIANT=\"Cloud $x\"\n# ID=comment\n");
            await File.WriteAllTextAsync($"{Folder}/passwd", string.Concat(Enumerable.Range(0, 600).Select(static i => $"user{i}:x:{3000 + i}:{3000 + i}:A user:/home/user{i}:/bin/false\n"))
                + $"thief:x:4321:4321::{Folder}/home/last:/bin/sh\nlast:x:1234:1234::{Folder}/home/last:/bin/sh");
            Agent = new AgentProcess(Folder, "--mount --uts", $"""
                cd {Folder}
                hostname a-rather-long.host.name.example
                mount --bind os-release /etc/os-release
                mount --bind passwd /etc/passwd
                touch zone; [ ! -e /usr/share/zoneinfo/Asia/Kolkata ] || mount --bind /usr/share/zoneinfo/Asia/Kolkata /etc/localtime
                [ -e /run/utmp ] || touch /run/utmp
                mount --bind utmp /run/utmp
                mkdir -p var/home/last/.ssh disk "disk with blanks"
                echo ssh-ed25519 A >var/home/last/.ssh/authorized_keys
                chown -R 1234:1234 var/home/last
                ln -s var/home home
                truncate -s 8M image
                mkfs.ext4 -q -F image
                mount -o loop image disk
                mount --bind disk "disk with blanks"
                qemu-ga -m unix-listen -p {Folder}/peer.sock -t {Folder} -b guest-shutdown,guest-fsfreeze-freeze >/dev/null 2>&1 &
                """);
            await Agent.ReadyAsync();
            Own = await Agent.ConnectQgaAsync();
            Theirs = await QgaTestClient.ConnectAsync($"{Folder}/peer.sock");
        }

        public async Task DisposeAsync()
        {
            Own?.Dispose();
            Theirs?.Dispose();
            await Agent.DisposeAsync();
            _folder.Delete(recursive: true);
        }

        // struct utmp
        private static byte[] Login(short kind, string user, int seconds)
        {
            var record = new byte[384];
            BitConverter.TryWriteBytes(record, kind);
            System.Text.Encoding.UTF8.GetBytes(user).CopyTo(record, 44);
            BitConverter.TryWriteBytes(record.AsSpan(340), seconds);
            return record;
        }
    }
}
