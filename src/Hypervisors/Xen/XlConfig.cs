using System.Globalization;
using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>A domain's configuration in the syntax of xl.cfg(5), whose strings know no escapes.</summary>
internal static class XlConfig
{
    private const int MaxDisks = 26;

    /// <summary>The text of the file.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: something cannot be said in such a file.</exception>
    public static string Text(XlOptions options)
    {
        if (options.Name.Length is 0 or > 63 || !options.Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_') || char.IsAsciiDigit(options.Name[0]))
        {
            // xl takes a name of digits for a number.
            throw Refused($"'{SafeText.Escape(options.Name)}' is no name of a domain: 1 to 63 letters, digits, dots, hyphens and underscores, no digit first");
        }

        var text = new StringBuilder();
        void Add(string key, string value) => text.Append(CultureInfo.InvariantCulture, $"{key} = {Quoted(key, value)}\n");
        Add("name", options.Name);
        Add("type", WordOf(options.Type));
        Add("kernel", Path.GetFullPath(options.Kernel));
        Add("ramdisk", Path.GetFullPath(options.Initrd));
        Add("extra", $"console=hvc0 quiet panic=-1 {options.Append}".Trim());
        Add("on_poweroff", "destroy");
        Add("on_reboot", options.RestartOnReboot ? "restart" : "destroy");
        // Not preserved, and no core dump: what it was given may be secret.
        Add("on_crash", "destroy");
        foreach (var (key, value) in options.Settings)
        {
            Add(key, value);
        }

        text.Append(CultureInfo.InvariantCulture, $"memory = {options.MemoryMiB}\nvcpus = {options.Cpus}\n");
        text.AppendJoin("", options.Nics.Select((nic, i) => $"{(i == 0 ? "vif = [" : ", ")}{Quoted("vif", $"mac={nic.Mac}{(nic.Bridge is null ? "" : $",bridge={nic.Bridge}")}")}"));
        text.Append(options.Nics.Count > 0 ? "]\n" : "");
        List<(TargetDisk Disk, string Access)> disks = [.. options.Disks.Select(static disk => (disk, "rw")), .. options.Media.Select(static path => (new TargetDisk(path), "ro"))];
        if (disks.Count > MaxDisks)
        {
            throw Refused($"{disks.Count} disks are more than the {MaxDisks} that have letters");
        }

        text.AppendJoin("", disks.Select((disk, i) => $"{(i == 0 ? "disk = [" : ", ")}{Quoted("disk", Disk(disk.Disk, i, disk.Access))}"));
        return text.Append(disks.Count > 0 ? "]\n" : "").ToString();
    }

    /// <summary>The word for a type.</summary>
    public static string WordOf(XenDomainType type) => type == XenDomainType.Pv ? "pv" : "pvh";

    /// <summary>Refuses a disk that a domain cannot be given.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is not raw.</exception>
    public static void RequireRaw(TargetDisk disk)
    {
        if (disk.Format != "raw")
        {
            throw Refused($"the disk {disk.Path} is {disk.Format}; a Xen domain is given raw disks, 'qemu-img convert -O raw' makes one");
        }
    }

    /// <summary>Where a domain sees its disk.</summary>
    public static string DeviceOf(int disk) => $"/dev/{NameOf(disk)}";

    private static string NameOf(int disk) => $"xvd{(char)('a' + disk)}";

    // Files by the script: the kernel's back end takes block devices only, and xl's other one is a QEMU. The path comes last,
    // as all behind "target=" is the path (xl-disk-configuration(5)).
    private static string Disk(TargetDisk disk, int index, string access)
    {
        RequireRaw(disk);
        return $"format=raw,vdev={NameOf(index)},access={access},{(IsDevice(disk.Path) ? "" : "script=block,")}target={Path.GetFullPath(disk.Path)}";
    }

    private static bool IsDevice(string path) => path.StartsWith("/dev/", StringComparison.Ordinal);

    private static string Quoted(string key, string value) => value.Any(c => c == '"' || char.IsControl(c))
        ? throw Refused($"the domain's {key} has a quote or control character, which its configuration file cannot hold: {SafeText.Escape(value)}")
        : $"\"{value}\"";

    private static ChannelException Refused(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}
