using System.Globalization;
using System.Text.Json;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>The command line of a QEMU.</summary>
internal static class QemuArguments
{
    /// <summary>PCI slot of the vsock device, the same whether it is there from the start or plugged.</summary>
    public const string VsockSlot = "06";

    /// <summary>Program and arguments.</summary>
    /// <param name="options">What the guest is made of.</param>
    /// <param name="folder">Where its sockets are.</param>
    /// <param name="files">Gets what QEMU is given open: another user cannot use paths of this one's.</param>
    /// <exception cref="ChannelException">Something that QEMU is given cannot be opened.</exception>
    public static IEnumerable<string> Of(QemuOptions options, string folder, QemuDescriptors files)
    {
        var memory = options.MemoryMiB.ToString(CultureInfo.InvariantCulture);
        var isShared = options.SharedMemory || options.VsockSocket is not null;
        string Listen(string name) => options.RunAs is null ? $"path={Value(folder)}/{name}" : $"fd={files.Add(QemuSockets.Listen(Path.Combine(folder, name)))}";
        string[] start =
        [
            options.Program, "-accel", options.EffectiveAccelerator, "-M", options.Memory is not null ? $"pc,memory-backend={QemuMemory.Id}" : isShared ? "pc,memory-backend=ram0" : "pc",
            "-m", memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-S",
            "-chardev", $"socket,id=console,{Listen("console.sock")},server=on,wait=off", "-serial", "chardev:console",
            "-chardev", $"socket,id=qmp,{Listen("qmp.sock")},server=on,wait=off", "-mon", "chardev=qmp,mode=control",
        ];
        var backend = options.Memory?.Arguments(options.MemoryMiB) ?? [];
        string[] generation = options.HasGenerationId ? ["-device", "vmgenid,guid=auto"] : [];
        string[] machine = [.. options.Cpus > 1 ? ["-smp", Invariant((uint)options.Cpus)] : Array.Empty<string>(), .. options.RestartOnReboot ? [] : new[] { "-no-reboot" }];
        string[] channel = !options.HasChannel ? [] :
        [
            // A fixed slot: a state file can only be restored onto the same places.
            "-device", "virtio-serial-pci,id=vs0,addr=05",
            "-chardev", $"socket,id=channel,{Listen("channel.sock")},server=on,wait=off",
            "-device", $"virtserialport,bus=vs0.0,nr=1,chardev=channel,name={Value(options.PortName)},id=port0",
        ];
        // On a loaded machine an emulated timer is late, and the kernel's check of it panics.
        string[] kernel = options.Kernel is null ? [] : ["-kernel", options.Kernel, "-append", $"console=ttyS0 quiet panic=-1 no_timer_check {options.Append}"];
        string[] initrd = options.Initrd is null ? [] : ["-initrd", options.Initrd];
        string[] shared = isShared ? ["-object", $"memory-backend-memfd,id=ram0,size={memory}M,share=on"] : [];
        string[] vsock = options.VsockSocket is { } socket
            ? ["-chardev", $"socket,id=vsock0,{(options.RunAs is null ? $"path={Value(socket)}" : $"fd={files.Add(QemuSockets.Connect(socket))}")}", "-device", $"vhost-user-vsock-pci,id=vsock0,chardev=vsock0,addr={VsockSlot}"]
            : [];
        // The file is handed over once the monitor answers.
        string[] restore = options.RestoreFrom is null ? [] : ["-incoming", "defer"];
        string[] network = [.. options.Network?.Arguments(files, options.RunAs) ?? []];
        return [.. RunAs(options), .. start, .. backend, .. generation, .. machine, .. channel, .. Sandbox(options), .. kernel, .. initrd, .. shared, .. vsock, .. network, .. restore, .. files.Arguments, .. options.Arguments];
    }

    /// <summary>A text as a value in one of QEMU's option lists, where a comma ends it.</summary>
    public static string Value(string text) => text.Replace(",", ",,", StringComparison.Ordinal);

    /// <summary>A text as JSON, in quotes.</summary>
    public static string Json(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    // As libvirt does. A user network starts a program for each connection, in its own session: both are forbidden elsewhere.
    private static string[] Sandbox(QemuOptions options) => !options.Sandbox ? []
        : options.Network is QemuNetwork.User ? ["-sandbox", "on,obsolete=deny,elevateprivileges=allow,spawn=allow,resourcecontrol=deny"]
        : ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"];

    // Not by -runas: QEMU would have begun as the other user, and its sandbox forbids the change.
    private static string[] RunAs(QemuOptions options) => options.RunAs is not { } user ? []
        : ["setpriv", $"--reuid={Invariant(user.Uid)}", $"--regid={Invariant(user.Gid)}",
            options.Confinement?.Group is { } group ? $"--groups={Invariant(group)}" : "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"];

    private static string Invariant(uint number) => number.ToString(CultureInfo.InvariantCulture);
}
