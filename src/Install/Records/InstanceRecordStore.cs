using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Install.Records;

/// <summary>
/// A folder with one file of mode 0600 for each instance's record. A write is atomic and on disk when it returns. Several
/// processes may use one folder: writing is one at a time, reading sees the last whole record.
/// </summary>
public sealed class InstanceRecordStore
{
    private const int MaxFile = 64 << 20;
    private readonly string _folder;
    private readonly Lock _gate = new();

    /// <summary>Opens a folder, which is made (mode 0700) if it is not there.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be made.</exception>
    public InstanceRecordStore(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _folder = Path.GetFullPath(folder);
        PrivateFolder.Ensure(_folder);
    }

    /// <summary>Names of the instances that have a record, sorted.</summary>
    public IReadOnlyList<string> List() =>
        [.. InstanceFileName.Patterns.SelectMany(pattern => Directory.EnumerateFiles(_folder, pattern)).Select(file => InstanceFileName.ToInstance(Path.GetFileName(file))).OfType<string>().Order(StringComparer.Ordinal)];

    /// <summary>The record of an instance; null if it has none.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed, or the file holds no record. <see cref="ChannelError.FailedPrecondition"/>: it cannot be read.</exception>
    public InstanceRecord? Find(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        InstanceName.Check(instance);
        try
        {
            using var file = File.OpenRead(PathOf(instance));
            if (file.Length > MaxFile)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the file of {instance} has {file.Length} bytes; {MaxFile} are allowed");
            }

            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return InstanceRecordFile.Read(instance, bytes);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(instance, "read", e);
        }
    }

    /// <summary>As <see cref="Find"/>.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>: it has none; the text names those that have.</exception>
    public InstanceRecord Get(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        return Find(instance) ?? throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
            List() is { Count: > 0 } known ? $"instance {instance} has no record; these have: {string.Join(", ", known.Take(32))}" : $"instance {instance} has no record, nor has any other in {_folder}");
    }

    /// <summary>Replaces the record of its instance, or makes it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the record is not valid. <see cref="ChannelError.FailedPrecondition"/>: it cannot be written.</exception>
    public void Put(InstanceRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        record.Check();
        Locked(record.Name, () =>
        {
            AtomicFile.Write(PathOf(record.Name), InstanceRecordFile.Write(record));
            return true;
        });
    }

    /// <summary>Changes a record; no other writer comes between the reading and the writing.</summary>
    /// <exception cref="ChannelException">As <see cref="Get"/> and <see cref="Put"/>.</exception>
    public InstanceRecord Change(string instance, Func<InstanceRecord, InstanceRecord> change)
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(change);
        return Locked(instance, () =>
        {
            var next = change(Get(instance)) with { Name = instance };
            next.Check();
            AtomicFile.Write(PathOf(instance), InstanceRecordFile.Write(next));
            return next;
        });
    }

    /// <summary>Gives a record another name, with all that it holds. At any moment it is there under one of the two.</summary>
    /// <exception cref="ChannelException">As <see cref="Get"/> and <see cref="Put"/>; <see cref="ChannelError.FailedPrecondition"/> also if the new name has a record.</exception>
    public void Rename(string instance, string newName)
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(newName);
        InstanceName.Check(newName);
        Locked(instance, () =>
        {
            Get(instance);
            if (File.Exists(PathOf(newName)))
            {
                throw Taken(newName);
            }

            AtomicFile.Move(PathOf(instance), PathOf(newName));
            return true;
        });
    }

    /// <summary>Removes a record. True if there was one.</summary>
    public bool Remove(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        InstanceName.Check(instance);
        return Locked(instance, () =>
        {
            var had = File.Exists(PathOf(instance));
            if (had)
            {
                AtomicFile.Delete(PathOf(instance));
            }

            return had;
        });
    }

    /// <summary>A record as indented JSON, without the values of private and secret parameters.</summary>
    public static string ToPublicJson(InstanceRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return InstanceRecordFile.WritePublic(record);
    }

    internal static ChannelException Taken(string instance) =>
        new(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{instance} has a record already, so no other instance can get its name; remove that record, or choose another name");

    private T Locked<T>(string instance, Func<T> action)
    {
        try
        {
            lock (_gate)
            {
                using var others = FolderLock.Acquire(_folder);
                return action();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(instance, "written", e);
        }
    }

    private string PathOf(string instance) => Path.Combine(_folder, InstanceFileName.Of(instance));

    private ChannelException Failed(string instance, string what, Exception e) =>
        new(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the record of {instance} cannot be {what} in {_folder}: {FileFault.Describe(e)}", e);
}
