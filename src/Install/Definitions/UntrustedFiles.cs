using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Install.Definitions;

/// <summary>The untrusted folder of a definition, as an appliance is given it (install.proto, InstallScript).</summary>
internal static class UntrustedFiles
{
    private const int MaxFiles = 256;
    private const int MaxBytes = 256 << 10;
    private const int MaxTotal = 4 << 20;

    /// <summary>Reads all files.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one of them cannot be sent, and why.</exception>
    public static IReadOnlyList<InstallScript> Read(SourceFolder folder)
    {
        var result = new List<InstallScript>();
        var total = 0;
        foreach (var name in folder.Names(MaxFiles + 1))
        {
            using var file = folder.File(name) ?? throw SourceFolder.Wrong(Path.Combine(folder.Path, name), "it went away while the folder was read");
            var content = file.Read(MaxBytes);
            total += content.Length;
            if (total > MaxTotal || result.Count == MaxFiles)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                    $"{folder.Path}: an appliance is given at most {MaxFiles} files with {MaxTotal} bytes in all; let the script fetch what is larger, or build it into the appliance");
            }

            result.Add(new InstallScript { Name = name, IsExecutable = file.IsExecutable, Content = UnsafeByteOperations.UnsafeWrap(content) });
        }

        return result;
    }
}
