using System.Globalization;
using System.Text.RegularExpressions;
using ChannelSdk.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// The files that a QEMU is given open, so that it needs no right to their paths. This process's own are closed once QEMU has been
/// started; what they are called stays known.
/// </summary>
internal sealed partial class QemuDescriptors : IDisposable
{
    private readonly List<SafeFileHandle> _files = [];
    private readonly List<string> _arguments = [];
    private readonly Dictionary<string, string> _names = [];

    /// <summary>The files, the first as <see cref="SpawnRequest.KeptNumber"/> in QEMU and each further one by one higher.</summary>
    public IReadOnlyList<SafeFileHandle> Files => _files;

    /// <summary>QEMU's arguments about them.</summary>
    public IReadOnlyList<string> Arguments => _arguments;

    /// <summary>Adds a file, which belongs to this from now on.</summary>
    /// <returns>Its number in QEMU.</returns>
    public string Add(SafeFileHandle file)
    {
        _files.Add(file);
        return (SpawnRequest.KeptNumber + _files.Count - 1).ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Adds a file that QEMU opens again by its number, for which its user needs a right to the file itself, but none to its folders.</summary>
    /// <returns>The path in QEMU.</returns>
    public string AddPath(SafeFileHandle file) => $"/proc/self/fd/{Add(file)}";

    /// <summary>Adds the file of a disk, for which QEMU's user needs no right at all.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">What it is called when something is told of it.</param>
    /// <returns>The file's name in QEMU.</returns>
    public string AddDisk(SafeFileHandle file, string name)
    {
        var number = Add(file);
        _arguments.AddRange(["-add-fd", $"fd={number},set={number}"]);
        _names[number] = name;
        return $"/dev/fdset/{number}";
    }

    /// <summary>What QEMU says, with the names of disks in place of their numbers.</summary>
    public string Explain(string words) => SetPattern().Replace(words, match => _names.GetValueOrDefault(match.Groups[1].Value, match.Value));

    /// <inheritdoc/>
    public void Dispose() => _files.ForEach(static file => file.Dispose());

    [GeneratedRegex("/dev/fdset/([0-9]{1,9})", RegexOptions.CultureInvariant)]
    private static partial Regex SetPattern();
}
