using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.Install.Operations;

/// <summary>The files of one operation: what is kept (journal, log, events), and what goes with its end.</summary>
internal sealed class OperationFolder(string path)
{
    private const int NameLength = 16;

    public string Path => path;

    /// <summary>Name of an operation's folder: the beginning of its own, as sockets lie below and their paths must be short.</summary>
    public static string NameOf(string operation) => operation.Length > NameLength ? operation[..NameLength] : operation;

    /// <summary>What recovery reads.</summary>
    public string Journal => System.IO.Path.Combine(path, "journal.json");

    /// <summary>For people.</summary>
    public string Log => System.IO.Path.Combine(path, "operation.log");

    /// <summary>For watchers in other processes.</summary>
    public string Events => System.IO.Path.Combine(path, "events.jsonl");

    /// <summary>For what the scripts on the host keep meanwhile; goes with the operation.</summary>
    public string Work => System.IO.Path.Combine(path, "work");

    /// <summary>What an appliance needs, its overlay disk among it; goes with the operation.</summary>
    public string Appliance => System.IO.Path.Combine(path, "vm");

    /// <summary>The socket of the half on the host; goes with the operation.</summary>
    public string ScriptSocket => System.IO.Path.Combine(path, "half.sock");

    /// <summary>For the copy of the instance's image, if there has to be one; goes with the operation.</summary>
    public string Image => System.IO.Path.Combine(path, "image");

    public void Create()
    {
        PrivateFolder.Ensure(path);
        PrivateFolder.Ensure(Work);
        PrivateFolder.Ensure(Appliance);
    }

    /// <summary>Opens a file that only the owner may read.</summary>
    public static FileStream OpenPrivate(string file) => new(file, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.ReadWrite | FileShare.Delete,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        BufferSize = 0,
    });

    /// <summary>Removes what goes with the operation.</summary>
    public void RemoveTransient()
    {
        Remove(Work);
        Remove(Appliance);
        Remove(Image);
        File.Delete(ScriptSocket);
        foreach (var left in Directory.EnumerateFiles(path, ".*" + AtomicFile.TemporarySuffix))
        {
            File.Delete(left);
        }
    }

    /// <summary>Removes it, if that can be done.</summary>
    public void RemoveAll()
    {
        try
        {
            Remove(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its own failure is told by what was to be done in it.
        }
    }

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
