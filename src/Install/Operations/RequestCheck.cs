using System.Text;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Install;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Install.Operations;

/// <summary>What is wrong with a request, found before anything begins.</summary>
internal static class RequestCheck
{
    /// <summary>Checks the names of a request, which are locked before anything else is looked at.</summary>
    /// <exception cref="ChannelException">What is missing or wrong.</exception>
    public static void Names(InstallRequest request)
    {
        if (request.Action == InstallAction.Rename != request.NewName is not null)
        {
            throw Wrong(request.NewName is null ? "a rename needs the new name of the instance" : "a new name is for a rename only");
        }

        if (request.NewName is not null)
        {
            InstanceName.Check(request.NewName);
            if (request.NewName == request.Instance)
            {
                throw Wrong($"{request.Instance} has that name already");
            }
        }
    }

    /// <summary>Checks what is asked for against the instance.</summary>
    /// <exception cref="ChannelException">What is missing or wrong.</exception>
    public static void Of(InstallRequest request, InstanceRecord record)
    {
        if (record.OsDefinition is null && record.OsImage is null)
        {
            throw Wrong($"the record of {record.Name} names neither an OS definition nor an OS image, and a system is installed from one of them");
        }

        if (record.OsImage is not null && request.Action != InstallAction.Create)
        {
            throw Wrong($"{record.Name} is made from the image {SafeText.Escape(record.OsImage, 128)}, which a create writes to its disk; {OsDefinition.ScriptName(request.Action)} is done by the scripts of an OS definition");
        }

        if (request.Action == InstallAction.Create && record.Mode == ExecutionMode.Run && !request.IsReinstall)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused,
                $"{record.Name} is in mode run, and a create would write over the system that it runs; ask for a reinstall ({nameof(InstallRequest.IsReinstall)}, --reinstall), or set the record's mode to install");
        }

        if (request.DebugLevel is < 0 or > InstallRequest.MaxDebugLevel)
        {
            throw Wrong($"the debug level is {request.DebugLevel}; it is 0 to {InstallRequest.MaxDebugLevel}");
        }
    }

    /// <summary>Checks the disks of a request, and the places of their data.</summary>
    /// <exception cref="ChannelException">What is missing or wrong.</exception>
    public static void Disks(InstallRequest request)
    {
        foreach (var disk in request.Disks.Where(d => !File.Exists(d.Path)))
        {
            throw Wrong($"there is no disk {disk.Path}; make it before, as large as the instance needs it");
        }

        Data(request);
    }

    /// <summary>Checks that scripts can be told what the record says of the machine.</summary>
    /// <exception cref="ChannelException">It is too much.</exception>
    public static void Description(InstallRequest request, InstanceRecord record, OsDefinition definition, string variant)
    {
        var (count, bytes) = (0, 0);
        foreach (var (name, value) in InstanceDescription.Of(request, record, definition, variant, [.. request.Disks.Select(static disk => disk.Path)]))
        {
            count++;
            bytes += name.Length + 1 + Encoding.UTF8.GetByteCount(value);
        }

        if (count > ScriptLimits.MaxVariables || bytes > InstanceDescription.MaxBytes)
        {
            throw Wrong($"what the record of {record.Name} tells of its machine is {count} variables with {bytes} bytes; a script takes {ScriptLimits.MaxVariables} with {InstanceDescription.MaxBytes}");
        }
    }

    /// <summary>The error for a request that cannot be done.</summary>
    public static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);

    private static void Data(InstallRequest request)
    {
        if (request.DataCredentials is not null)
        {
            Origin([.. request.Data.Select(static data => data.Url).OfType<PackageUrl>()]);
        }

        if (request.Data.Count == 0)
        {
            return;
        }

        if (request.Action is not (InstallAction.Export or InstallAction.Import))
        {
            throw Wrong($"a {OsDefinition.ScriptName(request.Action)} moves no data of disks; an export or import does");
        }

        if (request.Data.Count != request.Disks.Count || request.Disks.Count > ScriptLimits.MaxDisks)
        {
            throw Wrong($"there are {request.Disks.Count} disks and {request.Data.Count} places for their data; each disk needs one, and {ScriptLimits.MaxDisks} disks are allowed");
        }

        foreach (var data in request.Data)
        {
            data.Check(request.Action == InstallAction.Export);
        }
    }

    /// <summary>Credentials are for one server, whose place is told by the URLs that they are given with.</summary>
    private static void Origin(IReadOnlyList<PackageUrl> urls)
    {
        if (urls.Count == 0)
        {
            throw Wrong("credentials for the data of disks are given, and none of it is at a URL");
        }

        if (urls.FirstOrDefault(url => !url.HasOriginOf(urls[0])) is { } other)
        {
            throw Wrong($"the credentials for the data of disks are for one server, and its URLs {urls[0]} and {other} are on two");
        }
    }
}
