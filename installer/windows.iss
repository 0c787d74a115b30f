; Inno Setup 6: iscc installer\windows.iss, after pyinstaller; gives dist\limn-setup.exe. The
; version is that of the environment variable LIMN_VERSION.
; Not run in this repository's own tests, which need Linux.
#define Version GetEnv("LIMN_VERSION")

[Setup]
AppId={{6E0C8C0B-7D4B-4F0B-9F0E-3B8F6A0E5D11}
AppName=Limn
AppVersion={#Version}
DefaultDirName={autopf}\Limn
DefaultGroupName=Limn
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
ChangesAssociations=yes
LicenseFile=..\LICENSE
OutputDir=..\dist
OutputBaseFilename=limn-setup
Compression=lzma2
SolidCompression=yes
UninstallDisplayIcon={app}\limn.exe

[Files]
Source: "..\dist\limn\*"; DestDir: "{app}"; Flags: recursesubdirs ignoreversion

[Icons]
Name: "{group}\Limn"; Filename: "{app}\limn.exe"

[Registry]
; Offered under "Open with"; nobody's standard program is changed.
Root: HKA; Subkey: "Software\Classes\Limn.Image\shell\open\command"; ValueType: string; ValueData: """{app}\limn.exe"" ""%1"""; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\.dcm\OpenWithProgids"; ValueType: string; ValueName: "Limn.Image"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\.nii\OpenWithProgids"; ValueType: string; ValueName: "Limn.Image"; Flags: uninsdeletevalue
; Windows knows a file by its last ending only: this is for .nii.gz.
Root: HKA; Subkey: "Software\Classes\.gz\OpenWithProgids"; ValueType: string; ValueName: "Limn.Image"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\.nrrd\OpenWithProgids"; ValueType: string; ValueName: "Limn.Image"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\.mha\OpenWithProgids"; ValueType: string; ValueName: "Limn.Image"; Flags: uninsdeletevalue

[Run]
Filename: "{app}\limn.exe"; Description: "Start Limn"; Flags: nowait postinstall skipifsilent
