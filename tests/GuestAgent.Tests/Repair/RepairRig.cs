using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Repair;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>A guest in a folder, and the repair of it.</summary>
internal sealed class RepairRig : IDisposable
{
    public static readonly byte[] First = [.. Enumerable.Range(1, 16).Select(static i => (byte)i)];
    public static readonly byte[] Second = [.. Enumerable.Range(101, 16).Select(static i => (byte)i)];
    private readonly TestDirectory _folder = new();

    public RepairRig()
    {
        Guest = new FakeGuest(_folder["root"]);
        Write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        Write("etc/hostname", "original.example.org\n");
        Write("etc/hosts", "127.0.0.1 localhost # original\n127.0.1.1\toriginal.example.org original\n::1 localhost\n");
        Write("var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n");
        foreach (var kind in (string[])["rsa", "ed25519"])
        {
            Write($"etc/ssh/ssh_host_{kind}_key", $"private old {kind}");
            Write($"etc/ssh/ssh_host_{kind}_key.pub", $"public old {kind}");
        }

        Write("run/sshd.pid", "77\n");
        Write("proc/77/comm", "sshd\n");
        Write("var/lib/systemd/random-seed", new string('s', 512));
        Write("var/lib/cloud/data/instance-id", "i-original\n");
        Write("var/lib/cloud/instances/i-original/obj.pkl", "cache");
        Write("var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-original\nlocal-hostname: original\n");
        File.CreateSymbolicLink(At("var/lib/cloud/instance"), At("var/lib/cloud/instances/i-original"));
        Directory.CreateDirectory(At("hooks"));
    }

    public FakeGuest Guest { get; }

    public ConcurrentQueue<string> Lines { get; } = new();

    public GenerationPage Page => new(_folder["page/generation"]);

    public string NotesFile => _folder["notes/repair"];

    public string At(string path) => $"{Guest.Root}/{path}";

    public string Read(string path) => File.ReadAllText(At(path));

    public void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
        File.WriteAllText(At(path), text);
    }

    public void Hook(string name, string script)
    {
        Write($"hooks/{name}", "#!/bin/sh\ncd \"${0%/*}\"\n" + script + "\n");
        File.SetUnixFileMode(At($"hooks/{name}"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>An agent that has just been started.</summary>
    public GuestRepair Agent() => new(Guest, Page, new RepairNotes(NotesFile), new AgentLog(Lines.Enqueue, TimeProvider.System, withTime: false) { Rate = 1000 })
    {
        Hooks = () => new HookFolder(At("hooks"), TimeSpan.FromSeconds(10)),
    };

    public RepairResult Run(CompleteRequest request) => Run(Agent(), request);

    /// <summary>Repairs behind a gate that stays shut.</summary>
    public static RepairResult Run(GuestRepair repair, CompleteRequest request) => repair.Run(request, static () => false, static () => true);

    public static CompleteRequest Restored(byte[]? generation = null) => new()
    {
        Origin = SnapshotOrigin.Restored,
        Generation = ByteString.CopyFrom(generation ?? First),
        Entropy = ByteString.CopyFrom(Enumerable.Repeat((byte)0x5a, 48).ToArray()),
    };

    public static CompleteRequest Cloned(byte[]? generation = null, SnapshotIdentity? identity = null)
    {
        var request = Restored(generation);
        request.Origin = SnapshotOrigin.Cloned;
        request.Identity = identity;
        return request;
    }

    /// <summary>An identity with everything in it.</summary>
    public static SnapshotIdentity Whole() => new()
    {
        MachineId = ByteString.CopyFrom(Enumerable.Repeat((byte)0xab, 16).ToArray()),
        HostName = "clone.example.net",
        InstanceId = "i-clone's",
        Addresses = { new AddressChange { Present = ByteString.CopyFrom(Convert.FromHexString("525400000001")), Next = ByteString.CopyFrom(Convert.FromHexString("525400000002")) } },
    };

    public void Dispose() => _folder.Dispose();
}
